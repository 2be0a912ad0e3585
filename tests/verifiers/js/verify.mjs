// Verifies every Sigstore bundle of an evidence bundle with @sigstore/verify; exit 0 if all hold.
// Usage: node verify.mjs BUNDLE. Of the evidence's own software nothing is used.
import { readFileSync, readdirSync } from 'node:fs';
import { X509Certificate, createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const place = process.argv[2];
const text = (...parts) => readFileSync(join(place, ...parts), 'utf8');
const root = TrustedRoot.fromJSON(JSON.parse(text('sigstore', 'trusted_root.json')));
const organisation = new X509Certificate(Buffer.from(root.certificateAuthorities[0].certChain.certificates[0].rawBytes));

// The key that a hint names, if the organisation in the trusted root certified it.
function keyOf(hint) {
  if (!/^[0-9a-f]{64}$/.test(hint)) throw new Error(`key hint ${hint}`);
  const certificate = new X509Certificate(text('keys', 'instances', `${hint}.pem`));
  if (!certificate.checkIssued(organisation) || !certificate.verify(organisation.publicKey)) {
    throw new Error(`the certificate of ${hint} is not by this organisation`);
  }
  const key = createPublicKey(text('keys', 'instances', `${hint}.pub.pem`));
  if (!key.equals(certificate.publicKey)) throw new Error(`another key than the certificate of ${hint} has`);
  return { publicKey: key, validFor: () => true };
}

const verifier = new Verifier(toTrustMaterial(root, keyOf), { ctlogThreshold: 0, tlogThreshold: 1, timestampThreshold: 0 });
const listed = text('records', 'index.txt').trim().split('\n').map((line) => line.split(' '));
for (const [index, , , path] of listed) {
  const bundle = bundleFromJSON(JSON.parse(text('sigstore', `${index}.sigstore.json`)));
  verifier.verify(toSignedEntity(bundle));
  const record = JSON.parse(text(path));
  if (!bundle.content.dsseEnvelope.payload.equals(Buffer.from(record.payload, 'base64'))) {
    throw new Error(`sigstore/${index}.sigstore.json is of another record than ${path}`);
  }
  if (bundle.verificationMaterial.tlogEntries[0].logIndex !== index) throw new Error(`index of ${path}`);
}
const files = readdirSync(join(place, 'sigstore')).filter((name) => name.endsWith('.sigstore.json'));
if (files.length !== listed.length) throw new Error(`${files.length} Sigstore bundles, ${listed.length} records`);
console.log(`${listed.length} Sigstore bundles hold`);
