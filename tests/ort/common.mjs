// SPDX-License-Identifier: BSD-3-Clause
// common.mjs - what the comparisons with onnxruntime share: tensors in .pb
// files, when two are equal, and our two ways to run a model.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const ort = createRequire(import.meta.url)(
	process.env.ORT_NODE || 'onnxruntime-node');

export const types = {
	1: ['float32', Float32Array], 11: ['float64', Float64Array],
	6: ['int32', Int32Array], 7: ['int64', BigInt64Array],
	9: ['bool', Uint8Array], 2: ['uint8', Uint8Array], 3: ['int8', Int8Array],
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
export function tensor(path) {
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

export function differs(got, want) {
	if (got.type !== want.type)
		return `type ${got.type}, not ${want.type}`;
	if (got.dims.join() !== want.dims.join())
		return `shape [${got.dims}], not [${want.dims}]`;
	for (let i = 0; i < want.data.length; i++)
		if (!close(Number(got.data[i]), Number(want.data[i])))
			return `element ${i}: ${got.data[i]}, not ${want.data[i]}`;
	return null;
}

export const call = (build, program, ...args) => {
	const r = spawnSync(join(build, program), args);

	return r.status === 0 ? null
		: `status ${r.status ?? r.signal}: ${r.stderr}`.trim();
};

// What each of the two ways says: null, or why it is wrong.
const ways = {
	reference: (build, dir) => call(build, 'tools/run_case', join(dir, 'model.onnx'), dir, dir),
	compiled: (build, dir) =>
		call(build, 'bin/qnn-compile', '-q', join(dir, 'model.onnx'), '-o', join(dir, 'm.qpc')) ||
		call(build, 'bin/qpc-run', '-q', join(dir, 'm.qpc'), '--inputs', dir, '--outputs', dir),
};

// What onnxruntime makes of the model in dir and the inputs beside it.
export async function wanted(dir) {
	const session = await ort.InferenceSession.create(join(dir, 'model.onnx'),
		{ logSeverityLevel: 4, intraOpNumThreads: 1 });
	const feed = {};

	session.inputNames.forEach((name, i) => {
		const t = tensor(join(dir, `input_${i}.pb`));

		feed[name] = new ort.Tensor(t.type, t.data, t.dims);
	});
	const out = await session.run(feed);
	const want = session.outputNames.map((name) => ({ name, type: out[name].type,
		dims: out[name].dims, data: out[name].data }));

	await session.release();
	return want;
}

// Runs both ways; tells of what differs and gives how many did.
export function compare(build, dir, label, want) {
	let failed = 0;

	for (const [way, run] of Object.entries(ways)) {
		let why = run(build, dir);

		for (let i = 0; !why && i < want.length; i++) {
			why = differs(tensor(join(dir, `output_${i}.pb`)), want[i]);
			why = why && `${want[i].name}: ${why}`;
		}
		if (why)
			console.log(`FAIL ${label} ${way} ${why}`);
		failed += why ? 1 : 0;
	}
	return failed;
}
