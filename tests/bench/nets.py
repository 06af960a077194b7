#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""nets.py - networks of well-known shapes with random weights, as ONNX.

	nets.py NAME FILE     resnet18, resnet50, mobilenet, vit, bert, resnext,
	                      small-resnet, small-mobilenet, small-vit, small-bert

As exporters write them: batch normalisation folded (resnet50) or not
(resnet18), attention and layer norms in primitive operators.  Inputs are
`x` (images [1, 3, 224, 224]) or `ids` ([1, 128]); the output is `y`.
"""
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


class Net:
    """A graph being written; methods return the names of values."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0
        self.rng = np.random.default_rng(7)

    def const(self, array):
        self.count += 1
        name = f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def random(self, *shape, scale=None):
        fan = int(np.prod(shape[1:])) or 1
        scale = scale or (2.0 / fan) ** 0.5
        return self.const((self.rng.standard_normal(shape) * scale)
                          .astype(np.float32))

    def op(self, kind, *inputs, outputs=1, **attr):
        self.count += 1
        out = f"v{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [out],
                                           name=f"{kind}_{self.count}", **attr))
        return out

    def conv(self, x, cin, cout, k, stride=1, group=1, norm=False):
        w = self.random(cout, cin // group, k, k)
        pad = k // 2
        attr = dict(kernel_shape=[k, k], strides=[stride] * 2,
                    pads=[pad] * 4, group=group)
        if not norm:
            return self.op("Conv", x, w, self.random(cout, scale=0.1), **attr)
        x = self.op("Conv", x, w, **attr)
        return self.op("BatchNormalization", x,
                       self.const(np.ones(cout, np.float32)),
                       self.random(cout, scale=0.1),
                       self.random(cout, scale=0.1),
                       self.const(np.full(cout, 1.3, np.float32)))

    def linear(self, x, cin, cout):
        y = self.op("MatMul", x, self.random(cin, cout, scale=cin ** -0.5))
        return self.op("Add", y, self.random(cout, scale=0.02))

    def layer_norm(self, x, width):
        mean = self.op("ReduceMean", x, axes=[-1])
        d = self.op("Sub", x, mean)
        sq = self.op("Pow", d, self.const(np.float32(2)))
        var = self.op("ReduceMean", sq, axes=[-1])
        std = self.op("Sqrt", self.op("Add", var, self.const(np.float32(1e-5))))
        y = self.op("Mul", self.op("Div", d, std),
                    self.const((1 + self.rng.standard_normal(width) / 9)
                               .astype(np.float32)))
        return self.op("Add", y, self.random(width, scale=0.02))

    def gelu(self, x):
        y = self.op("Erf", self.op("Div", x, self.const(np.float32(2 ** 0.5))))
        y = self.op("Mul", x, self.op("Add", y, self.const(np.float32(1))))
        return self.op("Mul", y, self.const(np.float32(0.5)))

    def heads(self, x, seq, heads, dim, perm=(0, 2, 1, 3)):
        x = self.op("Reshape", x, self.const(np.array([1, seq, heads, dim])))
        return self.op("Transpose", x, perm=list(perm))

    def attention(self, x, seq, width, heads, mask=None):
        dim = width // heads
        q = self.heads(self.linear(x, width, width), seq, heads, dim)
        k = self.heads(self.linear(x, width, width), seq, heads, dim,
                       (0, 2, 3, 1))
        v = self.heads(self.linear(x, width, width), seq, heads, dim)
        s = self.op("Div", self.op("MatMul", q, k),
                    self.const(np.float32(dim ** 0.5)))
        if mask:
            s = self.op("Add", s, mask)
        y = self.op("MatMul", self.op("Softmax", s, axis=-1), v)
        y = self.op("Transpose", y, perm=[0, 2, 1, 3])
        y = self.op("Reshape", y, self.const(np.array([1, seq, width])))
        return self.linear(y, width, width)

    def block(self, x, seq, width, heads):
        x = self.op("Add", self.attention(self.layer_norm(x, width), seq,
                                          width, heads), x)
        h = self.gelu(self.linear(self.layer_norm(x, width), width, 4 * width))
        return self.op("Add", self.linear(h, 4 * width, width), x)

    def model(self, x, kind=TensorProto.FLOAT, shape=(1, 3, 224, 224)):
        self.nodes[-1].output[0] = "y"
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info(x, kind, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            self.weights)
        return helper.make_model(graph, ir_version=8, opset_imports=[
            helper.make_opsetid("", 14)])


def head(n, x, width):
    x = n.op("Flatten", n.op("GlobalAveragePool", x))
    n.op("Gemm", x, n.random(1000, width, scale=0.02),
         n.random(1000, scale=0.02), transB=1)


def resnet(sizes, bottleneck, norm, group=1, base=64, side=224):
    n, width = Net(), base
    x = n.op("Relu", n.conv("x", 3, base, 7, 2, norm=norm))
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2],
             pads=[1, 1, 1, 1])
    for stage, count in enumerate(sizes):
        mid = base << stage
        wide = mid * 2 if group > 1 else mid
        out = mid * 4 if bottleneck else mid
        for i in range(count):
            stride = 2 if stage and not i else 1
            short = x
            if stride > 1 or width != out:
                short = n.conv(x, width, out, 1, stride, norm=norm)
            if bottleneck:
                y = n.op("Relu", n.conv(x, width, wide, 1, norm=norm))
                y = n.op("Relu", n.conv(y, wide, wide, 3, stride, group,
                                        norm=norm))
                y = n.conv(y, wide, out, 1, norm=norm)
            else:
                y = n.op("Relu", n.conv(x, width, out, 3, stride, norm=norm))
                y = n.conv(y, out, out, 3, norm=norm)
            x = n.op("Relu", n.op("Add", y, short))
            width = out
    head(n, x, width)
    return n.model("x", shape=(1, 3, side, side))


MOBILENET = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
             (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def mobilenet(layers=MOBILENET, last=1280, side=224):
    n = Net()
    zero, six = n.const(np.float32(0)), n.const(np.float32(6))

    def relu6(x):
        return n.op("Clip", x, zero, six)

    x, width = relu6(n.conv("x", 3, 32, 3, 2)), 32
    for grow, out, count, stride in layers:
        for i in range(count):
            y, mid = x, width * grow
            if grow > 1:
                y = relu6(n.conv(y, width, mid, 1))
            y = relu6(n.conv(y, mid, mid, 3, 1 if i else stride, mid))
            y = n.conv(y, mid, out, 1)
            x = n.op("Add", x, y) if i else y
            width = out
    x = relu6(n.conv(x, width, last, 1))
    head(n, x, last)
    return n.model("x", shape=(1, 3, side, side))


def vit(width=384, heads=6, depth=12, side=224):
    n, seq = Net(), (side // 16) ** 2
    x = n.op("Conv", "x", n.random(width, 3, 16, 16),
             n.random(width, scale=0.02), kernel_shape=[16, 16],
             strides=[16, 16])
    x = n.op("Reshape", x, n.const(np.array([1, width, seq])))
    x = n.op("Transpose", x, perm=[0, 2, 1])
    x = n.op("Concat", n.random(1, 1, width, scale=0.02), x, axis=1)
    x = n.op("Add", x, n.random(1, seq + 1, width, scale=0.02))
    for _ in range(depth):
        x = n.block(x, seq + 1, width, heads)
    x = n.op("Gather", n.layer_norm(x, width), n.const(np.int64(0)), axis=1)
    n.op("Gemm", x, n.random(1000, width, scale=0.02),
         n.random(1000, scale=0.02), transB=1)
    return n.model("x", shape=(1, 3, side, side))


def bert(width=384, heads=12, depth=6, seq=128, vocab=30522):
    n = Net()
    x = n.op("Gather", n.random(vocab, width, scale=0.02), "ids")
    x = n.op("Add", x, n.random(1, seq, width, scale=0.02))
    for _ in range(depth):
        x = n.block(x, seq, width, heads)
    n.layer_norm(x, width)
    return n.model("ids", TensorProto.INT64, (1, seq))


NETS = {
    "resnet18": lambda: resnet([2, 2, 2, 2], False, True),
    "resnet50": lambda: resnet([3, 4, 6, 3], True, False),
    "resnext": lambda: resnet([3, 4, 6, 3], True, False, 32),
    "mobilenet": mobilenet,
    "vit": vit,
    "bert": bert,
    "small-resnet": lambda: resnet([1, 1], False, True, base=8, side=32),
    "small-mobilenet": lambda: mobilenet([(1, 8, 1, 1), (6, 12, 2, 2)], 32, 32),
    "small-vit": lambda: vit(32, 2, 3, 64),
    "small-bert": lambda: bert(24, 3, 3, 16, 100),
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in NETS:
        sys.exit(__doc__)
    save(NETS[sys.argv[1]](), sys.argv[2])
