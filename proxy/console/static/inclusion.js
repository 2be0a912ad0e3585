/**
 * Checks of one record in the browser, step by step: envelope, signature, log entry, inclusion, checkpoint (docs/spec/predicates.md,
 * "Log entries"). Nothing here asks a server; every answer is an argument. What these steps do not show is said where they are shown.
 */

import { CheckError, fromBase64, same, sha256, toBase64, toHex, utf8 } from "./bytes.js";
import { fold, leafHash, parseProof } from "./merkle.js";
import { checkpointHolds, hasEd25519, keyIds, pae, recordHolds } from "./signatures.js";

/**
 * @typedef {{name: string, held: boolean | null, detail: string, lines?: string[]}} Step `held` null: not checked
 * @typedef {{kind: string, index: number | null, published: boolean, envelope: any}} Stored
 */

/**
 * The steps of a record, in their order; what follows from one that does not hold is left out.
 * @param {string} id of the request
 * @param {Stored} record as `GET /v1/records/{id}` gives it
 * @param {string} proof as `…/proof` gives it
 * @param {any} bundle as `…/sigstore` gives it: of it only the public key is used
 * @param {import("./signatures.js").LogKey | null} key the log's, from elsewhere
 * @returns {Promise<Step[]>}
 */
export async function steps(id, record, proof, bundle, key) {
  const done = [];
  const found = {};
  const all = [
    ["The envelope holds a statement of this kind about this request", () => statementOf(id, record)],
    ["Its signature holds, by the key that it names", () => signed(found, record, bundle)],
    ["Its log entry, made anew from the record, has this leaf hash", () => leaf(found)],
    ["The proof leads from the leaf to the root in the checkpoint", () => included(found, record, proof)],
    ["The checkpoint is signed by the log's key", () => checkpoint(found, key)],
  ];
  for (const [name, check] of all) {
    const step = await tried(name, check);
    done.push(step);
    if (step.held === false) break;
  }
  return done;
}

/** @param {string} name @param {() => Promise<Omit<Step, "name">>} check @returns {Promise<Step>} */
async function tried(name, check) {
  try {
    return { name, ...(await check()) };
  } catch (error) {
    const detail =
      error instanceof CheckError ? error.message : `it has not the form that it should have (${error.name})`;
    return { name, held: false, detail };
  }
}

/** The statement in an envelope. @param {any} envelope */
export function payloadOf(envelope) {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(fromBase64(envelope.payload));
  return JSON.parse(text);
}

/** Identity of a record: SHA-256 over its PAE, hexadecimal. @param {any} envelope */
export const digestOf = async (envelope) =>
  toHex(await sha256(pae(envelope.payloadType, fromBase64(envelope.payload))));

async function statementOf(id, record) {
  const statement = payloadOf(record.envelope);
  if (statement.predicate.requestId !== id) throw new CheckError("it is about another request");
  if (!statement.predicateType.endsWith(`/${record.kind}/v1`)) throw new CheckError("it is of another kind");
  return { held: true, detail: `${statement.predicateType}, request ${id}` };
}

async function signed(found, record, bundle) {
  const { payload, payloadType, signatures } = record.envelope;
  if (signatures.length !== 1) throw new CheckError("expected one signature");
  const body = new TextDecoder().decode(fromBase64(bundle.verificationMaterial.tlogEntries[0].canonicalizedBody));
  found.spki = fromBase64(JSON.parse(body).spec.hashedRekordV002.signature.verifier.publicKey.rawBytes);
  found.signature = fromBase64(signatures[0].sig);
  const covered = pae(payloadType, fromBase64(payload));
  found.digest = await sha256(covered);
  const keyId = toHex(await sha256(found.spki));
  if (keyId !== signatures[0].keyid) throw new CheckError("the public key is not the one that the envelope names");
  if (!(await recordHolds(found.spki, found.signature, covered)))
    throw new CheckError("the signature is not of this record by this key");
  return { held: true, detail: `ECDSA P-256, key id ${keyId}; the record's digest is ${toHex(found.digest)}` };
}

/** The one spelling of an entry. @param {Uint8Array} digest @param {Uint8Array} signature @param {Uint8Array} spki */
export function entryOf(digest, signature, spki) {
  const verifier = { keyDetails: "PKIX_ECDSA_P256_SHA_256", publicKey: { rawBytes: toBase64(spki) } };
  const data = { algorithm: "SHA2_256", digest: toBase64(digest) };
  const said = { data, signature: { content: toBase64(signature), verifier } };
  return utf8(JSON.stringify({ apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002: said } }));
}

async function leaf(found) {
  found.leaf = await leafHash(entryOf(found.digest, found.signature, found.spki));
  return { held: true, detail: toHex(found.leaf) };
}

async function included(found, record, content) {
  const proof = parseProof(content);
  if (record.index === null || proof.index !== BigInt(record.index))
    throw new CheckError("the proof is of another entry");
  const levels = await fold(proof.index, proof.note.size, found.leaf, proof.hashes);
  const root = levels.at(-1)?.hash ?? found.leaf;
  const lines = levels.map((each) => `with ${toHex(each.sibling)} on its ${each.side}: ${toHex(each.hash)}`);
  if (!same(root, proof.note.root)) {
    return {
      held: false,
      detail: `it leads to ${toHex(root)}, and the checkpoint says ${toHex(proof.note.root)}`,
      lines,
    };
  }
  found.note = proof.note;
  return {
    held: true,
    detail: `entry ${proof.index} of ${proof.note.size} in ${proof.note.origin}, root ${toHex(root)}`,
    lines,
  };
}

async function checkpoint(found, key) {
  const ids = keyIds(found.note).join(", ");
  if (!key)
    return {
      held: null,
      detail: `by the key with the id ${ids}, it says; with the log's key, which you got another way, it is checked`,
    };
  if (key.name === found.note.origin && !(await hasEd25519()))
    return { held: null, detail: "this browser cannot check Ed25519" };
  if (!(await checkpointHolds(found.note, key)))
    throw new CheckError("the signature is not of this checkpoint by this key");
  return { held: true, detail: `Ed25519, by the key that you gave (${toHex(key.id)})` };
}

/**
 * Whether a result names a decision, as it must.
 * @param {any} decision envelope @param {any} result envelope @returns {Promise<Step>}
 */
export function linked(decision, result) {
  return tried("The result names the digest of this decision", async () => {
    const [named, digest] = [payloadOf(result).predicate.decision, await digestOf(decision)];
    if (named !== digest) throw new CheckError(`it names ${named}, and the decision's digest is ${digest}`);
    return { held: true, detail: digest };
  });
}
