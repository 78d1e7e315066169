/** The longest time that is waited for a second attempt, in seconds. */
const LONGEST_WAIT = 10;

/**
 * A `fetch` that tries once more where the service asks for that with `Retry-After`, unless the wait is longer than ten seconds: then the
 * answer is the caller's, who can say how long it takes.
 */
export function retryingOnce(send: (request: Request) => Promise<Response>): (request: Request) => Promise<Response> {
  return async (request) => {
    // A body can be sent once, so the second attempt needs its own.
    const again = request.clone();
    const response = await send(request);
    const wait = retryAfter(response);
    if (wait === undefined || wait > LONGEST_WAIT || !mayBeRepeated(request, response)) {
      return response;
    }
    await response.body?.cancel();
    await pause(wait * 1000, request.signal);
    return send(again);
  };
}

/** How long the service asks to wait, in seconds. */
export function retryAfter(response: Response): number | undefined {
  const seconds = response.headers.get("Retry-After");
  return seconds !== null && /^[0-9]{1,9}$/.test(seconds) ? Number(seconds) : undefined;
}

/**
 * Whether a request may be sent again. A 429 did nothing. A 503 may come from a request that was carried out but took too long, so it is
 * repeated only where that makes no difference to the caller: of what is sent by POST, for a sign-in.
 */
function mayBeRepeated(request: Request, response: Response): boolean {
  if (response.status !== 503) {
    return response.status === 429;
  }
  const isSignIn = request.method === "POST" && new URL(request.url).pathname.endsWith("/sessions");
  return isSignIn || ["GET", "HEAD", "DELETE"].includes(request.method);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) {
      stop();
    }
    signal.addEventListener("abort", stop, { once: true });
  });
}
