// index.ts - the management API in words of "which AI works for whom", over the generated client.
import createClient, { type Client } from "openapi-fetch";
import type { components, operations, paths } from "./api.js";
import { CotaError, type Problem } from "./error.js";

export { CotaError, type Problem } from "./error.js";
export type { components, operations, paths } from "./api.js";

type Schemas = components["schemas"];
/** A provider that would be asked, with its role, weight, model and limits. */
export type Candidate = Schemas["Candidate"];
/** A limit with what is used of it and when it begins anew. */
export type LimitState = Schemas["LimitState"];
export type Provider = Schemas["Provider"];
export type Feature = Schemas["Feature"];
export type MatrixCell = Schemas["MatrixCell"];
export type Override = Schemas["Override"];
export type OverrideNew = Schemas["OverrideNew"];
export type UsageRow = Schemas["UsageRow"];
export type UsageSum = Schemas["UsageSum"];
export type Profile = "user" | "professional" | "admin";
export type ProviderStatus = "active" | "disabled" | "testing";
/** What a customer or user may do now. */
export type Entitlements = operations["listEntitlements"]["responses"][200]["content"]["application/json"];
export type UsageFilter = Omit<NonNullable<operations["listUsage"]["parameters"]["query"]>, "by">;

/** Where the daemon is, and who asks. */
export interface CotaOptions {
  /** Such as `http://127.0.0.1:8787`. */
  baseUrl: string;
  /** The admin token, or what else the daemon takes as a bearer token. */
  token: string;
  /** Another `fetch`, for tests or agents. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Who asks for which feature. Say `plan` or `customer`, not both. */
export type Context = {
  feature: string;
  profile?: Profile;
  /** As if it were in this group. */
  group?: string;
  user?: string;
} & ({ plan: string; customer?: never } | { customer: string; plan?: never });

/** Whose limits are looked at. */
export interface LimitQuery {
  customer: string;
  feature?: string;
  user?: string;
  /** As if called with this key: its id. */
  key?: string;
  module?: string;
  profile?: Profile;
  group?: string;
}

/** The verdict about one feature. */
export interface LimitCheck {
  /** A call may run now. */
  allowed: boolean;
  /** Why not, as a call would be answered; null: allowed. */
  code: string | null;
  /** Whose rule refuses: `key`, `user`, `plan`, `customer`, `credit` or `feature`. */
  scope: string | null;
  /** When the refusal ends by itself; null: it does not. */
  until: string | null;
  /** What a call is held against; empty with a refusal. */
  limits: LimitState[];
}

/** A cell of the matrix by what it is about, and what it shall say. */
export type MatrixChange = Pick<MatrixCell, "plan" | "feature" | "provider" | "profile"> &
  Partial<Pick<MatrixCell, "daily_limit" | "monthly_limit" | "active" | "model" | "origin">>;

/** What {@link Cota.resolveAIForRequest} found. */
export interface AIForRequest extends LimitCheck {
  /** Who is asked first; null when nobody may be asked. */
  primary: Candidate | null;
  /** All that may be asked, in order; empty with a refusal. */
  candidates: Candidate[];
}

/** How a write is done. */
export interface WriteOptions {
  /** Why, for the audit trail. */
  reason?: string;
  /** Only if this is the version now, else `version_conflict`. */
  version?: number;
}

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

interface Page<Row> {
  items: Row[];
  next_cursor: string | null;
}

const PAGE_ROWS = 500;

function headersOf({ reason, version }: WriteOptions): { "x-cota-reason"?: string; "If-Match"?: string } {
  return {
    ...(reason === undefined ? {} : { "x-cota-reason": reason }),
    ...(version === undefined ? {} : { "If-Match": `"${version}"` }),
  };
}

async function unwrap<Data>(call: Promise<Answer<Data>>): Promise<Data> {
  const { data, error, response } = await call;
  if (response.ok) return data as Data;
  throw new CotaError(response.status, error && typeof error === "object" ? (error as Partial<Problem>) : undefined);
}

async function everyPage<Row>(page: (query: { limit: number; cursor?: string }) => Promise<Page<Row>>): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  do {
    const found: Page<Row> = await page({ limit: PAGE_ROWS, ...(cursor === null ? {} : { cursor }) });
    rows.push(...found.items);
    cursor = found.next_cursor;
  } while (cursor !== null);
  return rows;
}

const contextOf = ({ feature, plan, customer, profile, group, user }: Context) => ({
  feature,
  ...(plan === undefined ? {} : { plan }),
  ...(customer === undefined ? {} : { customer }),
  ...(profile === undefined ? {} : { profile }),
  ...(group === undefined ? {} : { group }),
  ...(user === undefined ? {} : { user }),
});

/**
 * The management API of a Cota daemon.
 *
 * @example
 * const cota = new Cota({ baseUrl: "http://127.0.0.1:8787", token: process.env.COTA_ADMIN_TOKEN! });
 * const { allowed, primary } = await cota.resolveAIForRequest({ customer: "clinica-aurora", feature: "user-chat" });
 */
export class Cota {
  /** Every operation of openapi.yaml, typed; errors are returned, not thrown. */
  readonly api: Client<paths>;

  constructor({ baseUrl, token, fetch }: CotaOptions) {
    this.api = createClient<paths>({
      baseUrl,
      headers: { authorization: `Bearer ${token}` },
      ...(fetch === undefined ? {} : { fetch }),
    });
  }

  // --- which AI --------------------------------------------------------------------------------

  /** The providers that would be asked for a feature, in order. Empty: the plan has none for this context. */
  async getProvidersForContext(context: Context): Promise<Candidate[]> {
    return (await unwrap(this.api.GET("/api/v1/resolve", { params: { query: contextOf(context) } }))).candidates;
  }

  /** The provider that is asked first; null when there is none. */
  async getPrimaryProvider(context: Context): Promise<Candidate | null> {
    return (await this.getProvidersForContext(context))[0] ?? null;
  }

  /** What a customer or user may do now: all features, or one, with every limit. */
  async getEntitlements(query: LimitQuery): Promise<Entitlements> {
    return unwrap(this.api.GET("/api/v1/entitlements", { params: { query } }));
  }

  /** May a call run now, and what is left? The gateway asks itself at each call: this is to show it beforehand. */
  async checkLimits(query: LimitQuery): Promise<LimitCheck> {
    const all = await this.getEntitlements(query);
    const one = query.feature === undefined ? all : (all.features[0] ?? all);
    return { allowed: one.allowed, code: one.code, scope: one.scope, until: one.until, limits: one.limits ?? [] };
  }

  /**
   * Everything that a request needs to know before it is made: who answers, and whether it would be let through.
   * Asked for a plan it tells the providers only, and `allowed` says whether there is one.
   */
  async resolveAIForRequest(context: Context): Promise<AIForRequest> {
    const { customer, plan: _, ...rest } = contextOf(context);
    const check = customer === undefined ? null : await this.checkLimits({ customer, ...rest });
    const candidates = check?.allowed === false ? [] : await this.getProvidersForContext(context);
    const verdict = check ?? { allowed: candidates.length > 0, code: null, scope: null, until: null, limits: [] };
    return { ...verdict, primary: candidates[0] ?? null, candidates };
  }

  // --- usage -----------------------------------------------------------------------------------

  /**
   * Finished calls, newest first. There is no call to log usage: the gateway meters every call itself,
   * exactly once, and this reads what it wrote. Say `limit`; without one it is everything.
   */
  async getUsage(filter: UsageFilter = {}): Promise<UsageRow[]> {
    return this.#usage<UsageRow>(filter);
  }

  /** The same calls summed up, dearest first. */
  async getUsageBy(by: "model" | "customer" | "key" | "provider", filter: UsageFilter = {}): Promise<UsageSum[]> {
    return this.#usage<UsageSum>({ ...filter, by });
  }

  async #usage<Row>(query: UsageFilter & { by?: "model" | "customer" | "key" | "provider" }): Promise<Row[]> {
    const call = this.api.GET("/api/v1/usage", { params: { query }, parseAs: "text" });
    const text = (await unwrap(call as Promise<Answer<unknown>>)) as string | undefined;
    return (text ?? "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Row);
  }

  // --- catalogue -------------------------------------------------------------------------------

  /** All providers, or those with a status. */
  async listProviders(filter: { status?: ProviderStatus } = {}): Promise<Provider[]> {
    return everyPage((page) => unwrap(this.api.GET("/api/v1/providers", { params: { query: { ...page, ...filter } } })));
  }

  /** All features, or those of a category. */
  async listFeatures(filter: { category?: Feature["category"]; active?: boolean } = {}): Promise<Feature[]> {
    return everyPage((page) => unwrap(this.api.GET("/api/v1/features", { params: { query: { ...page, ...filter } } })));
  }

  /** Switches a provider on, off, or to testing (then it is reached by explicit choice only). */
  async setProviderStatus(id: string, status: ProviderStatus, options: WriteOptions = {}): Promise<Provider> {
    const params = { path: { id }, header: headersOf(options) };
    return unwrap(this.api.PATCH("/api/v1/providers/{id}", { params, body: { status } }));
  }

  // --- the matrix ------------------------------------------------------------------------------

  /** Every cell, of all plans or of one. */
  async getFullMatrix(filter: { plan?: string; feature?: string; provider?: string } = {}): Promise<MatrixCell[]> {
    return everyPage((page) => unwrap(this.api.GET("/api/v1/plan-matrix", { params: { query: { ...page, ...filter } } })));
  }

  /**
   * Changes the cell of this plan, feature, provider and profile, or makes it. What is not said stays as it is.
   * `version` counts for a cell that is there.
   */
  async updateMatrix(change: MatrixChange, options: WriteOptions = {}): Promise<MatrixCell> {
    const { plan, feature, provider, profile, ...said } = change;
    const cells = await this.getFullMatrix({ plan, feature, provider });
    const found = cells.find((cell) => cell.profile === profile);
    if (found === undefined) {
      const { "If-Match": _, ...header } = headersOf(options);
      return unwrap(this.api.POST("/api/v1/plan-matrix", { params: { header }, body: change }));
    }
    const params = { path: { id: found.id }, header: headersOf(options) };
    return unwrap(this.api.PATCH("/api/v1/plan-matrix/{id}", { params, body: said }));
  }

  /** An exception for a group, a customer, a user or a key, for as long as it says. */
  async createOverride(override: OverrideNew, options: Pick<WriteOptions, "reason"> = {}): Promise<Override> {
    return unwrap(this.api.POST("/api/v1/overrides", { params: { header: headersOf(options) }, body: override }));
  }
}
