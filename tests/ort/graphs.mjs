// SPDX-License-Identifier: BSD-3-Clause
// graphs.mjs - graphs by chance: our numbers are onnxruntime's.
//
//	node graphs.mjs BUILD FROM COUNT
//
// For each seed from FROM on, random-onnx writes a graph and its inputs;
// onnxruntime, the reference evaluation and the compiled package run it.
// Equal means: shape, type, and each element within 1e-4 + 1e-3 |element|,
// since both sum in float32 and in orders of their own.  A graph that
// onnxruntime does not take is counted and left out.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { call, compare, wanted } from './common.mjs';

const [build, from, count] = process.argv.slice(2);
const tmp = mkdtempSync(join(tmpdir(), 'graphs-'));
let passed = 0, failed = 0, skipped = 0;

for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
	const dir = join(tmp, String(seed));
	const bad = call(build, 'tools/random-onnx', String(seed), dir);
	let want, n = 2;

	if (bad) {
		console.log(`FAIL ${seed} ${bad}`);
	} else {
		want = await wanted(dir).catch((e) => {
			if (process.env.VERBOSE)
				console.log(`SKIP ${seed} ${String(e.message).slice(0, 200)}`);
		});
		n = want ? compare(build, dir, seed, want) : 0;
	}
	failed += n;
	passed += want ? 2 - n : 0;
	skipped += bad || want ? 0 : 1;
	rmSync(dir, { recursive: true, force: true });
}
rmSync(tmp, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed || passed < Number(count) ? 1 : 0);
