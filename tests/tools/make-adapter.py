#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""make-adapter.py CHECKPOINT OUT RANK ALPHA SEED TARGET... - a random LoRA
adapter for the modules of a checkpoint that end in TARGET, as PEFT writes it."""
import json
import os
import random
import struct
import sys

ck, out, rank, alpha, seed = sys.argv[1:6]
rank, rng = int(rank), random.Random(int(seed))
with open(ck + '/model.safetensors', 'rb') as f:
    (n,) = struct.unpack('<Q', f.read(8))
    header = json.loads(f.read(n))
shapes = {}
for name in sorted(header):
    if any(name.endswith('.%s.weight' % t) for t in sys.argv[6:]):
        rows, columns = header[name]['shape']
        front = 'base_model.model.' + name[:-len('.weight')]
        shapes[front + '.lora_A.weight'] = [rank, columns]
        shapes[front + '.lora_B.weight'] = [rows, rank]
data, entries = b'', {}
for name in sorted(shapes):
    a, b = shapes[name]
    part = struct.pack('<%df' % (a * b),
                       *(rng.gauss(0, 0.1) for _ in range(a * b)))
    entries[name] = {'dtype': 'F32', 'shape': [a, b],
                     'data_offsets': [len(data), len(data) + len(part)]}
    data += part
text = json.dumps(entries).encode()
text += b' ' * (-len(text) % 8)
os.makedirs(out, exist_ok=True)
with open(out + '/adapter_model.safetensors', 'wb') as f:
    f.write(struct.pack('<Q', len(text)) + text + data)
with open(out + '/adapter_config.json', 'w') as f:
    json.dump({'peft_type': 'LORA', 'r': rank, 'lora_alpha': float(alpha),
               'bias': 'none', 'target_modules': sys.argv[6:]}, f)
