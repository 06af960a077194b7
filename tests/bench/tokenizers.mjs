// SPDX-License-Identifier: BSD-3-Clause
// tokenizers.mjs - the reference tokenizers, timed.
//
// usage: node tokenizers.mjs MODULE TEXT TOKENIZER...
//
// For each tokenizer, the best of several runs over the lines of TEXT, in one
// call, on one thread (the caller sets RAYON_RS_NUM_THREADS): JSON a line.

import { createRequire } from 'module';
import { readFileSync } from 'fs';

const [, , from, text, ...files] = process.argv;
const { Tokenizer } = createRequire(import.meta.url)(from);
const lines = readFileSync(text, 'utf8').split('\n');
const bytes = lines.reduce((n, l) => n + Buffer.byteLength(l), 0);

for (const file of files) {
	const start = process.hrtime.bigint();
	const t = Tokenizer.fromFile(file);
	const load = Number(process.hrtime.bigint() - start) / 1e6;
	let best = Infinity, ids = 0, hash = 0;
	for (let run = 0; run < 5; run++) {
		const from = process.hrtime.bigint();
		const out = await t.encodeBatch(lines, { addSpecialTokens: false });
		best = Math.min(best, Number(process.hrtime.bigint() - from) / 1e9);
		if (run)
			continue;
		for (const e of out)
			for (const id of e.getIds()) {
				hash = (Math.imul(hash, 31) + id + 1) | 0;
				ids++;
			}
	}
	console.log(JSON.stringify({ file, bytes, ids, hash: hash >>> 0, load_ms: load, seconds: best }));
}
