import { deserialize, serialize } from "node:v8";

/** Bytes before each frame that say how long it is. */
const headerBytes = 4;
/** No batch of messages is longer: inputs and outputs are bounded far below it. */
const maxFrameBytes = 1 << 30;

/** One value as bytes for a pipe between this process and one that it started. */
export function toFrame(value: unknown): Buffer {
  const body = serialize(value);
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32LE(body.length);
  body.copy(frame, headerBytes);
  return frame;
}

/** What came through a pipe and is no frame: whoever wrote it is broken. */
export class BrokenFrameError extends Error {
  override readonly name = "BrokenFrameError";
}

/**
 * Puts the pieces in which a pipe delivers frames together again.
 * @returns takes the next piece. @throws BrokenFrameError for what {@link toFrame} did not make, where it shows
 */
export function createFrameReader(hear: (value: unknown) => void): (piece: Buffer) => void {
  let pieces: Buffer[] = [];
  let length = 0;
  /** Bytes that have to be there before there is anything to read. */
  let wanted = headerBytes;

  return (piece) => {
    pieces.push(piece);
    length += piece.length;
    if (length < wanted) return;
    let data = pieces.length === 1 ? piece : Buffer.concat(pieces, length);
    wanted = headerBytes;
    const values: unknown[] = [];
    try {
      while (data.length >= headerBytes) {
        const size = data.readUInt32LE();
        if (size > maxFrameBytes) throw new Error(`a frame of ${size} bytes`);
        if (data.length < headerBytes + size) {
          wanted = headerBytes + size;
          break;
        }
        values.push(deserialize(data.subarray(headerBytes, headerBytes + size)));
        data = data.subarray(headerBytes + size);
      }
    } catch (error) {
      throw new BrokenFrameError("what came through the pipe is no frame", { cause: error });
    }
    pieces = data.length === 0 ? [] : [data];
    length = data.length;
    for (const value of values) hear(value);
  };
}
