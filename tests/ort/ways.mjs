// SPDX-License-Identifier: BSD-3-Clause
// ways.mjs - transforms of a decoder in onnxruntime: the plain model's logits.
//
//	node ways.mjs BIN CHECKPOINT
//
// The plain export answers each of six prompts alone, greedily; each way to
// export must give the same logits at every step, to 1e-4: rows of a cache by
// batch_index (six prompts in four rows), several logits (K = 1, 3), three
// context lengths, repeated key heads, the cache in blocks,
// functions per layer; and, of a model with latent attention, each form of
// its compressed cache, alone and together with those.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ort = createRequire(import.meta.url)(
	process.env.ORT_NODE || 'onnxruntime-node');
const [bin, checkpoint] = process.argv.slice(2);
const CTX = 128, STEPS = 12, BOUND = 1e-4;
const tmp = mkdtempSync(join(tmpdir(), 'ways-'));
const config = JSON.parse(readFileSync(join(checkpoint, 'config.json')));
const prompts = [[0, 483, 479, 262, 482], [0, 513, 512, 290], [0, 92],
	[0, 287, 756, 747, 262, 5], [0, 483, 479, 262, 333, 557, 284], [0, 16, 17]].map((p) => p.map((id) => id % config.vocab_size));
const int64 = (list, dims) =>
	new ort.Tensor('int64', BigInt64Array.from(list, BigInt), dims);
const zeros = (n) => Array(n).fill(0);

async function load(...options) {
	const calls = options[0] === '--use-onnx-subfunctions' ? [options.shift()] : [];
	const run = (tool, ...args) => execFileSync(join(bin, tool), ['-q', ...args],
		{ cwd: tmp, stdio: ['ignore', 'inherit', 'inherit'] });

	run('hf-load', checkpoint, '-o', 'm.qeff');
	run('qeff-transform', 'm.qeff', ...options, '-o', 't.qeff');
	run('onnx-export', ...calls, '--dtype', 'float32', 't.qeff', '-o', 'm.onnx');
	return ort.InferenceSession.create(join(tmp, 'm.onnx'));
}

function emptyCache(session, rows) {
	const cache = {};

	for (const m of session.inputMetadata) {
		if (!session.outputNames.includes(m.name + '_RetainedState'))
			continue;
		const dims = m.shape.map((d, i) => typeof d === 'number' ? d : i ? CTX : rows);

		cache[m.name] = new ort.Tensor('float32',
			new Float32Array(dims.reduce((x, y) => x * y, 1)), dims);
	}
	return cache;
}

// One call: rows of equal length, from these positions on.
async function call(session, cache, ids, at, more = {}) {
	const n = ids.length, len = ids[0].length;
	const out = await session.run({ ...cache, ...more,
		input_ids: int64(ids.flat(), [n, len]),
		position_ids: int64(at.flatMap((p) => ids[0].map((_, i) => p + i)), [n, len]) });

	for (const name of Object.keys(cache))
		cache[name] = out[name + '_RetainedState'];
	const v = out.logits.dims[2];
	return Array.from({ length: out.logits.dims[0] * out.logits.dims[1] },
		(_, r) => out.logits.data.slice(r * v, (r + 1) * v));
}

const argmax = (x) => x.indexOf(x.reduce((a, b) => Math.max(a, b)));
const worst = (a, b) => a.reduce((d, x, i) => Math.max(d, Math.abs(x - b[i])), 0);

// Each prompt alone: the tokens, and the logits behind each.
async function alone(session, more = () => ({})) {
	const all = [];

	for (const prompt of prompts) {
		const cache = emptyCache(session, 1), ids = [...prompt], rows = [];
		let feed = prompt;

		for (let k = 0; k < STEPS; k++) {
			const at = ids.length - feed.length;
			const [y] = await call(session, cache, [feed], [at], more(ids.length));

			rows.push(y);
			feed = [argmax(y)];
			ids.push(feed[0]);
		}
		all.push({ ids: ids.slice(prompt.length), rows });
	}
	return all;
}

const compare = (got, want) => Math.max(...got.flatMap((g, i) =>
	g.rows.map((r, k) => worst(r, want[i].rows[k]))));

async function batching(session, want) {
	const cache = emptyCache(session, 4), wait = [...prompts.keys()];
	const slot = Array(4).fill(null), got = prompts.map(() => ({ rows: [] }));

	for (;;) {
		for (let s = 0; s < 4 && wait.length; s++) {
			if (slot[s])
				continue;
			const i = wait.shift();
			const [y] = await call(session, cache, [prompts[i]], [0],
				{ batch_index: int64([s], [1, 1]) });

			got[i].rows.push(y);
			slot[s] = { i, at: prompts[i].length };
		}
		const busy = [0, 1, 2, 3].filter((s) => slot[s]);
		if (!busy.length)
			break;
		const ys = await call(session, cache,
			busy.map((s) => [want[slot[s].i].ids[got[slot[s].i].rows.length - 1]]),
			busy.map((s) => slot[s].at++),
			{ batch_index: int64(busy, [busy.length, 1]) });
		busy.forEach((s, k) => {
			got[slot[s].i].rows.push(ys[k]);
			if (got[slot[s].i].rows.length === STEPS - slot[s].i % 3)
				slot[s] = null; // not all end at once
		});
	}
	return compare(got, want);
}

async function target(session, want, k) {
	const keep = (n) => ({ num_logits_to_keep: int64(zeros(n), [n, 1]) });
	const got = [];

	for (let i = 0; i < prompts.length; i++) {
		const cache = emptyCache(session, 1), n = prompts[i].length;
		const rows = await call(session, cache, [prompts[i]], [0], keep(1));

		for (let t = 0; t + k + 1 < STEPS; t += k + 1)
			rows.push(...await call(session, cache,
				[want[i].ids.slice(t, t + k + 1)], [n + t], keep(k + 1)));
		got.push({ rows });
	}
	return compare(got, want);
}

const lengths = [8, 16, CTX]; // the least one that holds all positions
const ccl = (n) => ({ comp_ctx_lengths:
	int64(zeros(lengths.find((l) => l >= n)), [lengths.find((l) => l >= n)]) });
const want = await alone(await load());
const same = async (...o) => compare(await alone(await load(...o)), want);
const ways = {
	'continuous batching, 6 prompts in 4 rows': async () =>
		batching(await load('--continuous-batching'), want),
	'target, K = 1': async () => target(await load('--spec', 'target'), want, 1),
	'target, K = 3': async () => target(await load('--spec', 'target'), want, 3),
	'context lengths 8, 16, 128': async () =>
		compare(await alone(await load('--ccl-enabled'), ccl), want),
	'a function for layers': () => same('--use-onnx-subfunctions'),
	'the cache in 3 blocks': () => same('--num-kv-blocks', '3'),
	'the cache in 5 blocks, continuous batching': async () =>
		batching(await load('--num-kv-blocks', '5', '--continuous-batching'), want),
	'the cache in 4 blocks, context lengths': async () => compare(await alone(
		await load('--num-kv-blocks', '4', '--ccl-enabled'), ccl), want),
};
const repeated = ['--num-replicate-kv-heads', '2'];

if (!config.kv_lora_rank)
	ways['repeated key heads'] = () => same(...repeated);
for (const form of config.kv_lora_rank ? ['cache_compressed',
	'cache_compressed,absorption', 'cache_compressed,absorption,online'] : []) {
	const mla = ['--mla-absorption', form];

	ways[form] = () => same(...mla);
	ways[`${form}, repeated`] = () => same(...mla, ...repeated);
	ways[`${form}, a function for layers`] = () =>
		same('--use-onnx-subfunctions', ...mla);
	ways[`${form}, in 3 blocks`] = () => same(...mla, '--num-kv-blocks', '3');
	ways[`${form}, all at once`] = async () => batching(await load(...mla,
		...repeated, '--num-kv-blocks', '5', '--continuous-batching'), want);
	ways[`${form}, context lengths`] = async () => compare(await alone(
		await load(...mla, '--ccl-enabled'), ccl), want);
	ways[`${form}, target, K = 3`] = async () =>
		target(await load(...mla, '--spec', 'target'), want, 3);
}
let failed = 0;

for (const [name, run] of Object.entries(ways)) {
	const d = await run();

	failed += !(d <= BOUND);
	console.log(`${d <= BOUND ? 'PASS' : 'FAIL'} ${name}: max difference ${d.toPrecision(2)}`);
}
rmSync(tmp, { recursive: true, force: true });
console.log(`${Object.keys(ways).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
