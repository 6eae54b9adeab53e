// A picture for a logo.
import { crc32, deflateSync } from "node:zlib";

/** A PNG of 48 by 48 pixels: a green square with a white disc. */
export function logo() {
  const rows = Array.from({ length: 48 }, (_, y) => [0, ...Array.from({ length: 48 }, (_, x) =>
    (Math.hypot(x - 23.5, y - 23.5) < 14 ? [255, 255, 255] : [0, 170, 119])).flat()]);
  const chunk = (type, content) => {
    const body = Buffer.concat([Buffer.from(type), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.from([0, 0, 0, 48, 0, 0, 0, 48, 8, 2, 0, 0, 0]);
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const pixels = deflateSync(Buffer.from(rows.flat()));
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}
