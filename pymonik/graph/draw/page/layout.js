// Where boxes stand: the order within layers is given, places follow from the sizes of what is open.
"use strict";

const GAP = 28, FALL = 46, PAD = 12, LINE = 18, HEAD = 36, CELL = 11, CELLS = 400;
const isBend = (place) => typeof place === "string";

// The rising numbers nearest to the wishes, by least squares (pool adjacent violators).
function rising(wishes, weights) {
  const pools = [];
  wishes.forEach((wish, i) => {
    let pool = { mean: wish, weight: weights[i], count: 1 };
    while (pools.length && pools[pools.length - 1].mean > pool.mean) {
      const last = pools.pop();
      const weight = last.weight + pool.weight;
      const mean = (last.mean * last.weight + pool.mean * pool.weight) / weight;
      pool = { mean, weight, count: last.count + pool.count };
    }
    pools.push(pool);
  });
  return pools.flatMap((pool) => Array(pool.count).fill(pool.mean));
}

function offsetsOf(layer, width) {
  let at = 0;
  return layer.map((place, i) => {
    if (i) at += (width(layer[i - 1]) + width(place)) / 2 + GAP;
    return at;
  });
}

// The middle of every place of a drawing: each layer in turn moves to where its neighbours want it.
function middles(drawing, width) {
  const at = new Map(), near = new Map();
  const offsets = drawing.layers.map((layer) => offsetsOf(layer, width));
  const widest = Math.max(0, ...offsets.map((list) => list[list.length - 1] || 0));
  drawing.layers.forEach((layer, k) => layer.forEach((place, i) => {
    at.set(place, offsets[k][i] + (widest - offsets[k][offsets[k].length - 1]) / 2);
    near.set(place, []);
  }));
  for (const [upper, lower] of drawing.wires.flat()) {
    const pull = [2, 1, 16][isBend(upper) + isBend(lower)];
    near.get(upper).push([lower, pull]);
    near.get(lower).push([upper, pull]);
  }
  const settle = (layer, k) => {
    const wishes = [], weights = [];
    layer.forEach((place, i) => {
      let sum = 0, weight = 0;
      for (const [other, pull] of near.get(place)) {
        sum += at.get(other) * pull;
        weight += pull;
      }
      wishes.push((weight ? sum / weight : at.get(place)) - offsets[k][i]);
      weights.push(weight || 0.01);
    });
    rising(wishes, weights).forEach((found, i) => at.set(layer[i], found + offsets[k][i]));
  };
  const rounds = at.size <= 2000 ? 24 : 4;
  for (let round = 0; round < rounds; round++) {
    drawing.layers.forEach(settle);
    for (let k = drawing.layers.length - 1; k >= 0; k--) settle(drawing.layers[k], k);
  }
  straighten(drawing, at, offsets);
  return at;
}

// Bends of one long line stand below one another, as far as their neighbours let them.
function straighten(drawing, at, offsets) {
  const lines = new Map();
  drawing.layers.forEach((layer, k) => layer.forEach((place, i) => {
    if (!isBend(place)) return;
    const source = place.split("@")[0];
    if (!lines.has(source)) lines.set(source, []);
    const low = i ? at.get(layer[i - 1]) + offsets[k][i] - offsets[k][i - 1] : -Infinity;
    const high = i + 1 < layer.length ? at.get(layer[i + 1]) - offsets[k][i + 1] + offsets[k][i] : Infinity;
    lines.get(source).push({ place, low, high });
  }));
  for (const bends of lines.values()) {
    const low = Math.max(...bends.map((bend) => bend.low));
    const high = Math.min(...bends.map((bend) => bend.high));
    if (low > high) continue;
    const sorted = bends.map((bend) => at.get(bend.place)).sort((a, b) => a - b);
    const middle = Math.max(low, Math.min(sorted[sorted.length >> 1], high));
    for (const bend of bends) at.set(bend.place, middle);
  }
}

function textWidth(box) {
  return Math.max(...box.more.map((line) => line.length * 6.4), ...box.lines.map((line) => line.length * 7.4)) + 14;
}

function cellsOf(box) {
  const count = Math.min(box.count, CELLS);
  const across = Math.ceil(Math.sqrt(count * 2.2));
  return { count, across, down: Math.ceil(count / across) };
}

// The size of a box, and, when it is open, the drawing inside it.
function measure(box, key, isOpen) {
  const closed = { w: 2 * PAD + textWidth(box), h: PAD + LINE * (box.lines.length + box.more.length) };
  if (!isOpen(key, box)) return closed;
  if (box.members) {
    const inner = arrange(box.members, key, isOpen);
    return { w: Math.max(closed.w, inner.w + 2 * PAD), h: HEAD + inner.h + PAD, inner };
  }
  const grid = cellsOf(box);
  return { w: Math.max(closed.w, grid.across * CELL + 2 * PAD), h: closed.h + grid.down * CELL + PAD, grid };
}

// Lay out a drawing: boxes with their corner, wires as paths, and the size of it all.
function arrange(drawing, prefix, isOpen) {
  const keys = drawing.boxes.map((box, i) => `${prefix}/${i}`);
  const sizes = drawing.boxes.map((box, i) => measure(box, keys[i], isOpen));
  const at = middles(drawing, (place) => (isBend(place) ? 2 : sizes[place].w));
  let left = Infinity, right = -Infinity, top = 0;
  const tops = new Map(), floors = [];
  drawing.layers.forEach((layer) => {
    const height = Math.max(0, ...layer.filter((p) => !isBend(p)).map((p) => sizes[p].h));
    for (const place of layer) {
      const half = isBend(place) ? 1 : sizes[place].w / 2;
      left = Math.min(left, at.get(place) - half);
      right = Math.max(right, at.get(place) + half);
      tops.set(place, top);
    }
    floors.push(top + height);
    top += height + FALL;
  });
  if (!drawing.boxes.length) left = right = 0;
  const boxes = drawing.boxes.map((box, i) => ({
    box, key: keys[i], x: at.get(i) - sizes[i].w / 2 - left, y: tops.get(i), ...sizes[i],
  }));
  const wires = drawing.wires.flatMap((gap, k) => gap.map(([upper, lower]) => {
    const x = at.get(upper) - left, to = at.get(lower) - left, y = tops.get(lower);
    const start = isBend(upper) ? tops.get(upper) : tops.get(upper) + sizes[upper].h;
    const middle = (floors[k] + y) / 2;
    const d = `M${x} ${start}V${floors[k]}C${x} ${middle} ${to} ${middle} ${to} ${y}`;
    const from = isBend(upper) ? Number(upper.split("@")[0]) : upper;
    const made = drawing.made.some(([a, b]) => a === from && b === lower);
    return { d, made, from: keys[from], to: isBend(lower) ? null : keys[lower] };
  }));
  return { boxes, wires, w: right - left, h: Math.max(0, top - FALL) };
}
