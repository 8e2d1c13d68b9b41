// error.ts - what the API refuses, as an exception.
import type { components } from "./api.js";

/** What the API says about an error (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

/**
 * The API refused a call. Branch on {@link CotaError.code}, never on the message.
 *
 * Errors of the network are not this class: they are what `fetch` throws.
 */
export class CotaError extends Error {
  /** The stable code, such as `not_found` or `version_conflict`; empty when the answer was not the API's own. */
  readonly code: string;
  /** The HTTP status. */
  readonly status: number;
  /** Path of the field that is wrong, such as `limits[2].value`; undefined when no field is to blame. */
  readonly param: string | undefined;

  constructor(status: number, problem: Partial<Problem> | undefined) {
    super(problem?.detail ?? problem?.title ?? `the API answered ${status}`);
    this.name = "CotaError";
    this.status = status;
    this.code = problem?.code ?? "";
    this.param = problem?.param;
  }

  /** Whether the same call may succeed later as it is. */
  get isTemporary(): boolean {
    return this.status === 429 || this.status === 503;
  }
}
