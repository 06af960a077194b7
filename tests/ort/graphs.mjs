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
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ort = createRequire(import.meta.url)(
	process.env.ORT_NODE || 'onnxruntime-node');
const [build, from, count] = process.argv.slice(2);
const tmp = mkdtempSync(join(tmpdir(), 'graphs-'));
const types = {
	1: ['float32', Float32Array], 11: ['float64', Float64Array],
	6: ['int32', Int32Array], 7: ['int64', BigInt64Array],
	9: ['bool', Uint8Array],
};

function varint(b, at) {
	let x = 0n, shift = 0n, byte;

	do {
		byte = b[at++];
		x |= BigInt(byte & 127) << shift;
		shift += 7n;
	} while (byte & 128);
	return [Number(BigInt.asIntN(64, x)), at];
}

// The fields of a TensorProto that we write: dims, type, raw data.
function tensor(path) {
	const b = readFileSync(path), dims = [];
	let at = 0, tag, n, type, raw = b.subarray(0, 0);

	while (at < b.length) {
		[tag, at] = varint(b, at);
		[n, at] = varint(b, at);
		if (tag === 8)
			dims.push(n);
		else if (tag === 16)
			type = n;
		if ((tag & 7) !== 2)
			continue;
		if (tag >> 3 === 9)
			raw = b.subarray(at, at + n);
		if (tag >> 3 === 1)
			for (let end = at + n, d; at < end;) {
				[d, at] = varint(b, at);
				dims.push(d);
			}
		else
			at += n;
	}
	return { type: types[type][0], dims,
		data: new types[type][1](Uint8Array.from(raw).buffer) };
}

const close = (a, b) => a === b || (a !== a && b !== b) ||
	Math.abs(a - b) <= 1e-4 + 1e-3 * Math.abs(b);

function differs(got, want) {
	if (got.type !== want.type)
		return `type ${got.type}, not ${want.type}`;
	if (got.dims.join() !== want.dims.join())
		return `shape [${got.dims}], not [${want.dims}]`;
	for (let i = 0; i < want.data.length; i++)
		if (!close(Number(got.data[i]), Number(want.data[i])))
			return `element ${i}: ${got.data[i]}, not ${want.data[i]}`;
	return null;
}

const call = (program, ...args) => {
	const r = spawnSync(join(build, program), args);

	return r.status === 0 ? null
		: `status ${r.status ?? r.signal}: ${r.stderr}`.trim();
};

// What each of the two ways says: null, or why it is wrong.
const ways = {
	reference: (dir) => call('tools/run_case', join(dir, 'model.onnx'), dir, dir),
	compiled: (dir) =>
		call('bin/qnn-compile', '-q', join(dir, 'model.onnx'), '-o', join(dir, 'm.qpc')) ||
		call('bin/qpc-run', '-q', join(dir, 'm.qpc'), '--inputs', dir, '--outputs', dir),
};

let passed = 0, failed = 0, skipped = 0;

for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
	const dir = join(tmp, String(seed)), feed = {}, want = [];
	const bad = call('tools/random-onnx', String(seed), dir);

	if (bad) {
		failed++;
		console.log(`FAIL ${seed} ${bad}`);
		continue;
	}
	try {
		const session = await ort.InferenceSession.create(join(dir, 'model.onnx'),
			{ logSeverityLevel: 4, intraOpNumThreads: 1 });

		session.inputNames.forEach((name, i) => {
			const t = tensor(join(dir, `input_${i}.pb`));

			feed[name] = new ort.Tensor(t.type, t.data, t.dims);
		});
		const out = await session.run(feed);

		for (const name of session.outputNames)
			want.push({ name, type: out[name].type, dims: out[name].dims,
				data: out[name].data });
		await session.release();
	} catch (e) {
		skipped++;
		if (process.env.VERBOSE)
			console.log(`SKIP ${seed} ${String(e.message).slice(0, 200)}`);
		rmSync(dir, { recursive: true });
		continue;
	}
	for (const [way, run] of Object.entries(ways)) {
		let why = run(dir);

		for (let i = 0; !why && i < want.length; i++) {
			why = differs(tensor(join(dir, `output_${i}.pb`)), want[i]);
			why = why && `${want[i].name}: ${why}`;
		}
		if (why)
			console.log(`FAIL ${seed} ${way} ${why}`);
		failed += why ? 1 : 0;
		passed += why ? 0 : 1;
	}
	rmSync(dir, { recursive: true });
}
rmSync(tmp, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed || passed < Number(count) ? 1 : 0);
