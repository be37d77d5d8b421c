// Numbers as text, and scales from numbers to positions.
function formatScore(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value === 0 || (size >= 5e-5 && size < 1e4) ? value.toFixed(4) : value.toPrecision(4);
}

function formatShort(value) {
  if (value === null || value === undefined) return "–";
  const short = Number(value.toPrecision(4));
  return short !== 0 && Math.abs(short) < 1e-3 ? short.toExponential() : String(short);
}

function formatP(p) {
  if (p === null || p === undefined) return "–";
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function extent(values) {
  const present = values.filter((value) => value !== null && value !== undefined);
  let low = Infinity, high = -Infinity;
  for (const value of present) { low = Math.min(low, value); high = Math.max(high, value); }
  if (!present.length) return [0, 1];
  const room = low === high ? Math.abs(low) * 0.1 || 1 : 0;
  return [low - room, high + room];
}

function scale([low, high], [start, end], logarithmic) {
  const transform = logarithmic ? Math.log : (value) => value;
  const span = transform(high) - transform(low) || 1;
  return (value) => start + (transform(value) - transform(low)) / span * (end - start);
}

function padded([low, high]) {
  const room = (high - low) * 0.05;
  return [low - room, high + room];
}

function ticks([low, high], most) {
  const rough = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) || 10 * power;
  const values = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) values.push(Number((at * step).toPrecision(12)));
  return values;
}

// Powers of ten, and three times these if there are few.
function decades([low, high]) {
  const values = [];
  const factors = Math.log10(high / low) < 2.5 ? [1, 3] : [1];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of factors) values.push(factor * 10 ** power);
  }
  return values.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

// A key's values as numbers, if all of them are, and whether they span so much that they need a logarithmic scale.
function numeric(texts) {
  const values = texts.map(Number);
  if (texts.some((text) => text.trim() === "") || values.some((value) => !Number.isFinite(value))) return null;
  const [low, high] = extent(values);
  return { values, logarithmic: low > 0 && high / low >= 20 };
}
