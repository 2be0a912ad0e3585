/** Signatures that WebCrypto checks: of a record (ECDSA P-256, over an envelope's PAE) and of a log (Ed25519, over a checkpoint). */

import { CheckError, fromBase64, joined, same, sha256, toHex, utf8 } from "./bytes.js";

const ED25519_OF_A_LOG = 1;
const KEY_ID_BYTES = 4;
const COORDINATE_BYTES = 32;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** What the signature of an envelope covers (DSSE v1). @param {string} type @param {Uint8Array} payload */
export const pae = (type, payload) => joined(utf8(`DSSEv1 ${utf8(type).length} ${type} ${payload.length} `), payload);

/**
 * Whether a record's signature holds.
 * @param {Uint8Array} spki public key @param {Uint8Array} signature DER @param {Uint8Array} signed
 */
export async function recordHolds(spki, signature, signed) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("spki", spki, algorithm, false, ["verify"]);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, coordinates(signature), signed);
}

/** The two numbers of a DER signature (SEC 1, C.5), 32 bytes each, as WebCrypto takes them. @param {Uint8Array} der */
export function coordinates(der) {
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) throw new CheckError("expected a signature in DER");
  const [first, next] = number(der, 2);
  const [second, end] = number(der, next);
  if (end !== der.length) throw new CheckError("expected two numbers in a signature");
  return joined(first, second);
}

/** @param {Uint8Array} der @param {number} place @returns {[Uint8Array, number]} the number and where the next begins */
function number(der, place) {
  const size = der[place + 1];
  const digits = der.slice(place + 2, place + 2 + size);
  if (der[place] !== INTEGER || !size || digits.length !== size || digits[0] >= 0x80)
    throw new CheckError("expected a positive number in DER");
  if (digits[0] === 0 && (size === 1 || digits[1] < 0x80))
    throw new CheckError("expected a number in its shortest form");
  const short = digits[0] === 0 ? digits.slice(1) : digits;
  if (short.length > COORDINATE_BYTES) throw new CheckError("expected a number of at most 32 bytes");
  return [joined(new Uint8Array(COORDINATE_BYTES - short.length), short), place + 2 + size];
}

/** @typedef {{name: string, id: Uint8Array, public: Uint8Array}} LogKey */

/** A log's key: `name+hash+base64` (C2SP signed-note). @param {string} text @returns {Promise<LogKey>} */
export async function parseVkey(text) {
  const [, name, stated, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim()) ?? [];
  if (!name) throw new CheckError("expected a key of the form name+hash+base64");
  const material = fromBase64(encoded);
  if (material[0] !== ED25519_OF_A_LOG || material.length !== 33)
    throw new CheckError("expected an Ed25519 key of a log");
  const id = (await sha256(joined(utf8(`${name}\n`), material))).slice(0, KEY_ID_BYTES);
  if (toHex(id) !== stated) throw new CheckError("expected the hash that this name and key have");
  return { name, id, public: material.slice(1) };
}

/**
 * Whether a checkpoint has a signature of a log's key, and it holds.
 * @param {import("./merkle.js").Note} note @param {LogKey} key
 */
export async function checkpointHolds(note, key) {
  const own = note.signatures.find((each) => each.name === key.name && same(each.value.slice(0, KEY_ID_BYTES), key.id));
  if (!own || key.name !== note.origin)
    throw new CheckError(`the checkpoint of ${note.origin} has no line of this key`);
  const imported = await crypto.subtle.importKey("raw", key.public, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, own.value.slice(KEY_ID_BYTES), utf8(note.text));
}

/** Whether this browser knows Ed25519 (Web Cryptography Level 2). */
export async function hasEd25519() {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["verify", "sign"]);
    return true;
  } catch {
    return false;
  }
}

/** Key ids of the lines under a checkpoint that are named as the log is, hexadecimal. @param {import("./merkle.js").Note} note */
export const keyIds = (note) =>
  note.signatures.filter((each) => each.name === note.origin).map((each) => toHex(each.value.slice(0, KEY_ID_BYTES)));
