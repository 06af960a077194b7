// SPDX-License-Identifier: BSD-3-Clause
// sampler.mjs - the sampler in the graph, in onnxruntime, against its
// definition here, with every parameter by chance.
//
//	node sampler.mjs BUILD DIR
//
// A model with random weights goes through the stages without and with a
// sampler; the logits of the first and the definition tell the tokens, the
// probabilities and both buffers of the second.  Rows of a cache of four, a
// prompt in chunks or a step at a time, rows at rest, several tokens a row.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ort } from './common.mjs';

const [build, dir] = process.argv.slice(2);
const V = 64, CTX = 48, SLOTS = 4, LEAST = -65504;
const tool = (name, ...args) => execFileSync(join(build, name), args);
let seed = 1;

function chance() {
	seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
	return seed / 2 ** 32;
}

const between = (a, b) => a + (b - a) * chance();
const whole = (a, b) => Math.floor(between(a, b + 1));
const fill = (n, f) => Array.from({ length: n }, (_, i) => f(i));

function make(name, options) {
	const at = (x) => join(dir, `${name}${x}`);

	tool('bin/qeff-transform', '-q', ...options, join(dir, 'm.qeff'), '-o', at('.qeff'));
	tool('bin/onnx-export', '-q', at('.qeff'), '-o', at('.0.onnx'));
	tool('bin/onnx-opt', '-q', at('.0.onnx'), '-o', at('.onnx'));
	return ort.InferenceSession.create(at('.onnx'));
}

const arrays = { int64: BigInt64Array, int32: Int32Array, float32: Float32Array,
	bool: Uint8Array };
const tensor = (type, list, dims) => new ort.Tensor(type,
	type === 'int64' ? BigInt64Array.from(list, BigInt) : arrays[type].from(list), dims);

// ---- the definition ----

function softmax(x) {
	const top = Math.max(...x), e = x.map((v) => Math.exp(v - top));
	const sum = e.reduce((a, b) => a + b, 0);

	return e.map((v) => v / sum);
}

// One token: [it, the probabilities of all].
function choose(logits, p, seen, made) {
	let x = logits.map((v, i) => p.allowed && !p.allowed[i] ? LEAST : v);

	x = x.map((v, i) => seen[i] ? (v > 0 ? v / p.repetition : v * p.repetition) : v)
		.map((v, i) => made[i] ? v - p.presence : v);
	const best = (i, j) => x[j] - x[i] || i - j; // the first of equals
	const greedy = fill(V, (i) => i).sort(best)[0];
	const order = fill(V, (i) => i).sort(best).slice(0, p.m).reverse();
	const k = Math.min(p.top_k, p.m);
	let y = order.map((i, at) => at < p.m - k ? LEAST : x[i] / (p.temp || 1));
	const q = softmax(y);
	let sum = 0;

	y = y.map((v, i) => {
		sum += q[i];
		return (sum <= 1 - p.top_p && i < p.m - 1) || q[i] < p.min_p * q[p.m - 1]
			? LEAST : v;
	});
	const all = fill(V, () => LEAST);

	order.forEach((i, at) => (all[i] = y[at]));
	const noisy = y.map((v, i) => v - Math.log(-Math.log(p.random[i])));
	const drawn = order[noisy.indexOf(Math.max(...noisy))];

	return [p.temp === 0 ? greedy : drawn, softmax(all)];
}

// What a call does to what was seen.
function see(state, call, prompt) {
	call.rows.forEach((r) => {
		if (!r.n)
			return;
		const s = state[r.slot];

		if (prompt && r.pos === 0)
			s.seen.fill(0);
		if (prompt)
			s.made.fill(0);
		for (let i = 0; i < r.n; i++) {
			const id = prompt ? r.ids[i] : r.accepted[i];

			if (id < 0)
				continue;
			s.seen[id] = 1;
			if (!prompt)
				s.made[id] = 1;
		}
	});
}

// ---- calls ----

// A prompt's chunk or a step for B rows of len tokens.
function call(state, batched, B, len, m, guided, prompt) {
	const free = fill(SLOTS, (i) => i);
	const rows = fill(B, (b) => {
		const slot = batched ? free.splice(whole(0, free.length - 1), 1)[0] : b;
		const s = state[slot];
		const begin = prompt && (s.fed + len > CTX || chance() < 0.5);
		const pos = begin ? 0 : Math.min(s.fed, CTX - len);
		// onnxruntime writes no padding to a cache of slots
		const rest = !batched && ((!prompt && !pos) || chance() < 0.1);
		const n = rest ? 0 : batched ? len : whole(1, len);
		const some = (from, to, none) => chance() < 0.25 ? none : Math.fround(between(from, to));

		s.fed = rest ? s.fed : pos + n;
		return { slot, pos, n,
			ids: fill(len, () => whole(0, V - 1)),
			accepted: fill(len, () => whole(-1, V - 1)),
			repetition: some(0.5, 2, 1), presence: some(-1, 2, 0),
			temp: some(0.2, 2, 0), top_k: whole(1, Math.ceil(m * 1.5)),
			top_p: some(0.05, 1, 1), min_p: some(0, 0.9, 0), m,
			random: fill(m, () => Math.fround(between(0.001, 0.999))),
			allowed: guided && fill(V, () => (chance() < 0.5 ? 1 : 0)) };
	});

	return { rows, B, len };
}

function inputs({ rows, B, len }, session, cache, kept) {
	const column = (type, key) => tensor(type, rows.map((r) => r[key]), [B, 1]);
	const each = (type, f, n) => tensor(type, rows.flatMap(f), [B, n]);
	const all = {
		input_ids: each('int64', (r) => r.ids, len),
		position_ids: each('int64', (r) => r.ids.map((_, i) => (i < r.n ? r.pos + i : -1)), len),
		batch_index: column('int64', 'slot'),
		num_logits_to_keep: tensor('int64', fill(kept, () => 0), [kept, 1]),
		last_accepted_output_tokens: each('int64', (r) => r.accepted, len),
		repetition_penalties: column('float32', 'repetition'),
		presence_penalties: column('float32', 'presence'),
		temperatures: column('float32', 'temp'),
		top_ks: column('int32', 'top_k'),
		top_ps: column('float32', 'top_p'),
		min_ps: column('float32', 'min_p'),
		random_numbers: each('float32', (r) => r.random, rows[0].m),
		token_bitmasks: each('bool', (r) => r.allowed || fill(V, () => 1), V),
		...cache };

	return Object.fromEntries(session.inputNames.map((n) => [n, all[n]]));
}

function empty(session, rows) {
	const cache = {};

	for (const m of session.inputMetadata) {
		if (!session.outputNames.includes(`${m.name}_RetainedState`))
			continue;
		const dims = m.shape.map((d) => d === 'ctx_len' ? CTX
			: typeof d === 'string' ? rows : d);

		cache[m.name] = tensor(m.type, new arrays[m.type](
			dims.reduce((a, b) => a * b, 1)).fill(m.type === 'int64' ? 0n : 0), dims);
	}
	return cache;
}

const keep = (cache, out) => Object.keys(cache).forEach((n) =>
	(cache[n] = out[`${n}_RetainedState`]));

function same(what, got, want, near) {
	want.forEach((v, i) => {
		if (!(Math.abs(Number(got[i]) - Number(v)) <= near))
			throw new Error(`${what}, element ${i}: ${got[i]}, not ${v}`);
	});
	return want.length;
}

async function check(name, base, more, { batched, m, guided, kept = 1, B }) {
	const plain = await make(`${name}.plain`, base);
	const sampler = await make(`${name}.sampler`, [...base, ...more]);
	const slots = batched ? SLOTS : B;
	const [c0, c1] = [empty(plain, slots), empty(sampler, slots)];
	const state = fill(slots, () => ({ fed: 0, seen: new Uint8Array(V), made: new Uint8Array(V) }));
	let tokens = 0, drawn = 0;

	for (let round = 0; round < 60; round++) {
		const prompt = chance() < 0.4, len = prompt ? 5 + kept : kept;
		const one = call(state, batched, batched && prompt ? 1 : B, len, m, guided, prompt);
		const a = await plain.run(inputs(one, plain, c0, kept));
		const b = await sampler.run(inputs(one, sampler, c1, kept));

		keep(c0, a);
		keep(c1, b);
		see(state, one, prompt);
		for (const [key, which] of [['repetition', 'seen'], ['presence', 'made']])
			same(`${name}: ${key} buffer after call ${round}`,
				c1[`past_${key}_penalty_buffer`].data,
				state.flatMap((s) => [...s[which]]), 0);
		for (let at = 0; at < one.B * kept; at++) {
			const r = one.rows[Math.floor(at / kept)], s = state[r.slot];

			if (at % kept >= r.n)
				continue;
			const x = [...a.logits.data.subarray(at * V, (at + 1) * V)];
			const [want, probs] = choose(x, r, s.seen, s.made);

			same(`${name}: token of call ${round}`, [b.next_tokens.data[at]], [want], 0);
			if (b.probs)
				same(`${name}: probabilities of call ${round}`,
					b.probs.data.subarray(at * V), probs, 1e-4);
			tokens++;
			drawn += want !== x.indexOf(Math.max(...x));
		}
	}
	if (!tokens || !drawn)
		throw new Error(`${name}: nothing was compared`);
	console.log(`ok ${name}: ${tokens} tokens, ${drawn} not the likeliest`);
}

tool('tools/make-checkpoint', '-q', '--vocab', `${V}`, join(dir, 'ck'));
tool('bin/hf-load', '-q', join(dir, 'ck'), '-o', join(dir, 'm.qeff'));
await check('rows', [], ['--include-sampler'], { m: V, B: 3 });
await check('few', [], ['--return-pdfs', '--max-top-k-ids', '7'], { m: 7, B: 2 });
await check('slots', ['--continuous-batching'],
	['--return-pdfs', '--include-guided-decoding', '--max-top-k-ids', '16'],
	{ batched: true, m: 16, guided: true, B: 3 });
await check('target', ['--spec', 'target'], ['--include-sampler'], { m: V, kept: 4, B: 2 });
