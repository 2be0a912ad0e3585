/**
 * The HTTP API with the user's key. The key is in this module's memory, and in the tab's sessionStorage only where its user said so;
 * it is never part of an address.
 */

const KEPT = "apostille-key";
const VISIBLE = /^[\x21-\x7e]+$/;
const READ_MS = 30_000;
const ANSWER_MS = 600_000;

let key = sessionStorage.getItem(KEPT) ?? "";

/** An error in the API's own shape; code `unreachable` where nothing answered. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {Record<string, any>} details */
  constructor(status, code, message, details = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** Whether there is a key. */
export const hasKey = () => key !== "";

/**
 * Use a key from here on.
 * @param {string} given
 * @param {boolean} keep in this tab, until it is closed
 */
export function useKey(given, keep) {
  if (!VISIBLE.test(given)) throw new ApiError(0, "no-key", "A key has visible ASCII characters only, and no spaces.");
  key = given;
  if (keep) sessionStorage.setItem(KEPT, given);
}

/** Forget the key, here and in the tab. */
export function forgetKey() {
  key = "";
  sessionStorage.removeItem(KEPT);
}

/**
 * A JSON document.
 * @param {string} path
 * @param {AbortSignal} signal of the view that asks
 * @param {number[]} also statuses that come with a document too
 */
export async function get(path, signal, also = []) {
  const response = await sent(path, {}, signal, READ_MS);
  const value = await jsonOf(response);
  if (response.ok || (also.includes(response.status) && !value?.error)) return value;
  throw failure(response, value);
}

/** A document as text. @param {string} path @param {AbortSignal} signal */
export async function text(path, signal) {
  const response = await sent(path, {}, signal, READ_MS);
  if (!response.ok) throw failure(response, await jsonOf(response));
  return response.text();
}

/** What a JSON body is answered with. @param {string} path @param {unknown} body @param {AbortSignal} signal */
export async function post(path, body, signal) {
  const options = { method: "POST", body: JSON.stringify(body) };
  const response = await sent(path, options, signal, ANSWER_MS);
  const value = await jsonOf(response);
  if (!response.ok) throw failure(response, value);
  return value;
}

/** @param {string} path @param {RequestInit} options @param {AbortSignal} signal @param {number} longest in milliseconds */
async function sent(path, options, signal, longest) {
  const headers = { authorization: `Bearer ${key}`, ...(options.body ? { "content-type": "application/json" } : {}) };
  const common = { headers, credentials: "omit", cache: "no-store", redirect: "error" };
  try {
    return await fetch(path, {
      ...common,
      ...options,
      signal: AbortSignal.any([signal, AbortSignal.timeout(longest)]),
    });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new ApiError(0, "unreachable", "The proxy does not answer. Is it running, and is the network there?");
  }
}

/** @param {Response} response */
async function jsonOf(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** @param {Response} response @param {any} value */
function failure(response, value) {
  const error = value?.error ?? {};
  const message = error.message ?? "The answer is not one of this API.";
  return new ApiError(response.status, error.code ?? "not-this-api", String(message), error.apostille ?? {});
}
