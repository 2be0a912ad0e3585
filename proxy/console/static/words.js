/** Plain words and units for what the API says in codes, micro-dollars and microseconds. */

const OUTCOMES = {
  permitted: "Permitted as it was asked",
  substituted: "Another, permitted model in place of one",
  degraded: "Fewer models than planned",
  refused: "Refused: nothing was sent",
};
const ENDS = {
  ok: "Answered",
  refused: "Refused",
  error: "Failed",
  aborted: "Cut: the client left, or the server stopped",
  orphaned: "No end: the process died",
};
const REASONS = {
  "same-model": "the same model in a permitted place",
  "declared-alternate": "the alternate that the catalogue declares",
  "capability-match": "the nearest permitted model that can do it",
};
const ERRORS = {
  "invalid-api-key": "This key is not known to the proxy.",
  "missing-api-key": "The proxy wants a key.",
  "restricted-by-policy":
    "Law or policy forbids this, and nothing permitted can stand in. Nothing was sent to anybody.",
  "no-capable-model": "Nothing in the catalogue can serve this request whole.",
  "model-not-found": "The catalogue has no model, deployment or pipeline of that name.",
  "model-not-allowed": "Your key may not ask for this name.",
  "budget-exceeded": "The cost cap leaves no room for a call.",
  "jurisdiction-unknown": "No jurisdiction could be established, so nothing may be used.",
  "record-not-found": "You have no record of that id.",
  "not-published-yet": "The record is on disk and not in the published log yet; that takes a moment.",
};

/** @param {string} code */
export const outcome = (code) => OUTCOMES[code] ?? code;
/** @param {string} code */
export const end = (code) => ENDS[code] ?? code;
/** @param {string} code */
export const reason = (code) => REASONS[code] ?? code;
/** A sentence for an error's code, where there is a plainer one than its message. @param {string} code */
export const errorOf = (code) => ERRORS[code] ?? "";

/** @param {number} microUsd */
export function money(microUsd) {
  return microUsd < 10_000 ? `$${(microUsd / 1e6).toFixed(6)}` : `$${(microUsd / 1e6).toFixed(4)}`;
}

/** @param {number | null | undefined} us */
export function duration(us) {
  if (us === null || us === undefined) return "–";
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(us < 10_000_000 ? 2 : 0)} s`;
}

/** Millionths as a percentage. @param {number} millionths */
export const percent = (millionths) => `${(millionths / 10_000).toFixed(1)} %`;

/** A count with its noun. @param {number} count @param {string} noun of one @param {string} [many] */
export const counted = (count, noun, many = `${noun}s`) => `${count} ${count === 1 ? noun : many}`;

/** A record's time, to the second, in UTC. @param {string | null | undefined} text */
export function time(text) {
  const found = text ? new Date(text) : null;
  return found && !Number.isNaN(found.valueOf()) ? `${found.toISOString().slice(0, 19).replace("T", " ")} UTC` : "–";
}
