/** Bytes as text and back, and SHA-256. Refuses a second spelling, as everything does that is checked. */

const encoder = new TextEncoder();

/** What is checked does not hold, or has not the form that it should have. */
export class CheckError extends Error {}

/** @param {string} text */
export const utf8 = (text) => encoder.encode(text);

/** @param {string} text standard base64 in its only spelling @returns {Uint8Array} */
export function fromBase64(text) {
  let binary = "";
  try {
    binary = atob(text);
  } catch {
    throw new CheckError("expected standard base64");
  }
  if (btoa(binary) !== text) throw new CheckError("expected base64 in its only spelling");
  return Uint8Array.from(binary, (each) => each.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
export const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

/** @param {Uint8Array} bytes */
export const toHex = (bytes) => [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");

/** @param {...Uint8Array} parts */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, each) => size + each.length, 0));
  let place = 0;
  for (const each of parts) {
    whole.set(each, place);
    place += each.length;
  }
  return whole;
}

/** @param {Uint8Array} bytes @returns {Promise<Uint8Array>} */
export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** @param {Uint8Array} one @param {Uint8Array} other */
export const same = (one, other) => one.length === other.length && one.every((each, place) => each === other[place]);
