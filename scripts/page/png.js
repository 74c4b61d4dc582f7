// Smaller PNG files: at most 256 colours, which a picture of flat areas and text hardly shows, and packed as well as
// zlib can (PNG specification, third edition: chunks in section 5, filters in section 9).

import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
const COLOURS = 256;

/** @param {Buffer} png 8 bits, RGB or RGBA without transparency, as Chromium makes them @returns {Buffer} the same with a palette */
export function shrink(png) {
  const { width, height, bytes, data } = read(png);
  const rows = unfilter(data, width, height, bytes);
  const counts = new Map();
  for (let at = 0; at < rows.length; at += bytes) {
    const colour = rows.readUIntBE(at, 3);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const palette = [...counts].sort(([, a], [, b]) => b - a).slice(0, COLOURS).map(([colour]) => colour);
  const index = new Map(palette.map((colour, place) => [colour, place]));
  // Rows stay unfiltered: with a palette, neighbours say nothing about each other's numbers.
  const packed = Buffer.alloc((width + 1) * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const colour = rows.readUIntBE(pixel * bytes, 3);
    if (!index.has(colour)) index.set(colour, nearest(palette, colour));
    packed[pixel + Math.floor(pixel / width) + 1] = index.get(colour);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8);
  const colours = Buffer.alloc(palette.length * 3);
  palette.forEach((colour, place) => colours.writeUIntBE(colour, place * 3, 3));
  const body = deflateSync(packed, { level: 9, memLevel: 9 });
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('PLTE', colours), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))]);
}

function read(png) {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const [depth, type] = [png[24], png[25]];
  if (depth !== 8 || (type !== 2 && type !== 6)) throw new Error(`a PNG of depth ${depth} and type ${type}`);
  const parts = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return { width, height, bytes: type === 2 ? 3 : 4, data: inflateSync(Buffer.concat(parts)) };
}

function unfilter(data, width, height, bytes) {
  const length = width * bytes;
  const rows = Buffer.alloc(length * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (length + 1)];
    for (let x = 0; x < length; x++) {
      const at = y * length + x;
      const left = x >= bytes ? rows[at - bytes] : 0;
      const up = y > 0 ? rows[at - length] : 0;
      const corner = x >= bytes && y > 0 ? rows[at - length - bytes] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      rows[at] = data[at + y + 1] + guess;
    }
  }
  return rows;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function nearest(palette, colour) {
  const parts = (each) => [each >> 16, (each >> 8) & 255, each & 255];
  const [red, green, blue] = parts(colour);
  const away = palette.map(parts).map(([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2);
  return away.indexOf(Math.min(...away));
}

function chunk(name, content) {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
