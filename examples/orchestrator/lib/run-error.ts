const EXPECTED = 'expected';

/** The run can not go on, for a reason that is no fault of the program. */
export class RunError extends Error {
  constructor(message: string) {
    // Piscina hands over an error of a worker without its class and name, but with its cause.
    super(message, { cause: EXPECTED });
  }
}

/** Whether an error is or was a {@link RunError}. */
export function isRunError(error: unknown): error is Error {
  return error instanceof Error && error.cause === EXPECTED;
}
