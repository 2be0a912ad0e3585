/** Inclusion in a log: hashes (RFC 6962, 2.1), the fold of a proof (RFC 9162, 2.1.3.2), proofs as files (C2SP tlog-proof). */

import { CheckError, fromBase64, joined, sha256 } from "./bytes.js";

const HEADER = "c2sp.org/tlog-proof@v1";
const MOST_HASHES = 63;
const HASH_BYTES = 32;
const NUMBER = /^(0|[1-9][0-9]{0,18})$/;

/**
 * @typedef {{index: bigint, hashes: Uint8Array[], note: Note}} Proof
 * @typedef {{text: string, origin: string, size: bigint, root: Uint8Array, signatures: {name: string, value: Uint8Array}[]}} Note
 * @typedef {{side: "left" | "right", sibling: Uint8Array, hash: Uint8Array}} Level
 */

/** @param {Uint8Array} entry */
export const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));

/** @param {Uint8Array} left @param {Uint8Array} right */
const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

/**
 * The levels from a leaf to the root that a proof leads to, nearest first. Throws where the proof does not fit the tree.
 * @param {bigint} index @param {bigint} size @param {Uint8Array} leaf @param {Uint8Array[]} hashes
 * @returns {Promise<Level[]>}
 */
export async function fold(index, size, leaf, hashes) {
  if (index >= size) throw new CheckError("expected an index below the size of the tree");
  let [place, last, hash] = [index, size - 1n, leaf];
  const levels = [];
  for (const sibling of hashes) {
    if (last === 0n) throw new CheckError("expected fewer hashes in the proof");
    const onTheLeft = (place & 1n) === 1n || place === last;
    hash = onTheLeft ? await nodeHash(sibling, hash) : await nodeHash(hash, sibling);
    if (onTheLeft) {
      while ((place & 1n) === 0n && place !== 0n) [place, last] = [place >> 1n, last >> 1n];
    }
    [place, last] = [place >> 1n, last >> 1n];
    levels.push({ side: onTheLeft ? "left" : "right", sibling, hash });
  }
  if (last !== 0n) throw new CheckError("expected more hashes in the proof");
  return levels;
}

/** @param {string} content of a proof's file @returns {Proof} */
export function parseProof(content) {
  const gap = content.indexOf("\n\n");
  const lines = content.slice(0, Math.max(gap, 0)).split("\n");
  if (gap < 0 || lines.shift() !== HEADER) throw new CheckError(`expected a proof that begins with ${HEADER}`);
  if (lines[0]?.startsWith("extra ")) lines.shift();
  const index = /^index (.*)$/.exec(lines.shift() ?? "")?.[1] ?? "";
  if (!NUMBER.test(index) || lines.length > MOST_HASHES)
    throw new CheckError(`expected an index and at most ${MOST_HASHES} hashes`);
  const hashes = lines.map(fromBase64);
  if (hashes.some((each) => each.length !== HASH_BYTES)) throw new CheckError(`expected hashes of ${HASH_BYTES} bytes`);
  return { index: BigInt(index), hashes, note: parseNote(content.slice(gap + 2)) };
}

/** A signed checkpoint (C2SP signed-note, tlog-checkpoint). @param {string} content @returns {Note} */
export function parseNote(content) {
  const gap = content.indexOf("\n\n");
  const text = content.slice(0, gap + 1);
  const lines = text.split("\n");
  if (gap < 0 || lines.length !== 4 || !lines[0] || !NUMBER.test(lines[1]))
    throw new CheckError("expected a checkpoint: origin, size, root");
  const root = fromBase64(lines[2]);
  if (root.length !== HASH_BYTES) throw new CheckError(`expected a root of ${HASH_BYTES} bytes`);
  const signatures = content
    .slice(gap + 2)
    .split("\n")
    .filter(Boolean)
    .map(signatureOf);
  return { text, origin: lines[0], size: BigInt(lines[1]), root, signatures };
}

/** @param {string} line */
function signatureOf(line) {
  const [, name, value] = /^— (\S+) (\S+)$/.exec(line) ?? [];
  if (!name) throw new CheckError("expected a line with a signature");
  return { name, value: fromBase64(value) };
}
