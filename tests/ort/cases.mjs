// SPDX-License-Identifier: BSD-3-Clause
// cases.mjs - the graphs of a file: our numbers are onnxruntime's.
//
//	node cases.mjs BUILD FILE
//
// FILE holds graphs as text, as qeff-inspect --graph prints them, each behind
// a line "== NAME".  Inputs are by chance: floats in [-1, 1), bytes any,
// other integers 0 or 1.  Every graph must be one that onnxruntime takes.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, ort, types, wanted } from './common.mjs';

const [build, file] = process.argv.slice(2);
const tmp = mkdtempSync(join(tmpdir(), 'cases-'));
let passed = 0, failed = 0, seed = 1n;

function chance() {
	seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
	return Number(seed >> 33n) / 2 ** 31;
}

const varint = (x) => x < 128 ? [x] : [x & 127 | 128, ...varint(x >> 7)];

function pb(meta) {
	const [type, [name, array]] = Object.entries(types).find(([, t]) => t[0] === meta.type);
	const n = meta.shape.reduce((x, y) => x * y, 1), a = new array(n);

	for (let i = 0; i < n; i++)
		a[i] = name.startsWith('float') ? 2 * chance() - 1
			: name.endsWith('8') ? Math.floor(256 * chance())
			: name === 'int64' ? BigInt(chance() < 0.5) : chance() < 0.5;
	return Buffer.concat([
		Buffer.from([...meta.shape.flatMap((d) => [8, ...varint(d)]), 16, Number(type),
			0x4a, ...varint(a.byteLength)]), Buffer.from(a.buffer)]);
}

for (const part of readFileSync(file, 'utf8').split(/^== /m).slice(1)) {
	const name = part.slice(0, part.indexOf('\n')), dir = join(tmp, 'case');
	let n = 2;

	mkdirSync(dir);
	const r = spawnSync(join(build, 'tools/make-onnx'), [join(dir, 'model.onnx')],
		{ input: part.slice(name.length + 1) });

	try {
		if (r.status)
			throw new Error(String(r.stderr));
		const session = await ort.InferenceSession.create(join(dir, 'model.onnx'),
			{ logSeverityLevel: 4 });

		session.inputMetadata.forEach((m, i) =>
			writeFileSync(join(dir, `input_${i}.pb`), pb(m)));
		await session.release();
		n = compare(build, dir, name, await wanted(dir));
	} catch (e) {
		console.log(`FAIL ${name} ${String(e.message).trim().slice(0, 300)}`);
	}
	failed += n;
	passed += 2 - n;
	rmSync(dir, { recursive: true });
}
rmSync(tmp, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
