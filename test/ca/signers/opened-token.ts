/** A process that opens a PKCS #11 signer and stays. One argument: the signer's URI. It prints a line when it is open. */
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';

await openSigner(process.argv[2] ?? '', signerSurroundings('/none', process.env));
process.stdout.write('open\n');
setInterval(() => {}, 60_000);
