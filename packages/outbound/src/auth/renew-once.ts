/** The access token of one call, over its tries. */
export interface TokenOfCall {
  /** What the other side refused in the try before; null: nothing. */
  stale: string | null;
  /** What this try shows; null: none. */
  used: string | null;
}

/**
 * Makes a call, and once more where its access token is refused: it was out of date, and the other side did nothing.
 *
 * @param call one try, which says in `token.used` what it shows; it is given its number, from 1
 * @throws what the last try threw
 */
export async function renewOnce<T>(
  token: TokenOfCall,
  call: (number: number) => Promise<T>,
  isRefusal: (error: unknown) => boolean,
): Promise<T> {
  try {
    return await call(1);
  } catch (error) {
    if (token.used === null || !isRefusal(error)) throw error;
    token.stale = token.used;
    return call(2);
  }
}
