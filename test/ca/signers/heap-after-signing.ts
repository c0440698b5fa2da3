/**
 * A process that opens an encrypted CA key and signs with it. Two arguments: the keys folder, and where to write its heap
 * snapshot; the passphrase comes by SALLYPORT_KEYS_PASSPHRASE_FILE.
 */
import { writeHeapSnapshot } from 'node:v8';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';

const [, , keysFolder = '', snapshotFile = ''] = process.argv;
const signer = await openSigner('file:user_ca.pem', signerSurroundings(keysFolder, process.env));
const signature = await signer.sign(Buffer.from('to be signed'));
// What the test must find, or it looks in the wrong place.
const held = { marker: signature.toString('hex') };
writeHeapSnapshot(snapshotFile);
process.stdout.write(`${held.marker}\n`);
