/* limits.h - every upper bound in the program, in one place.
 *
 * A loop, queue, pool or buffer without a name from here is a review stop.
 */
#pragma once

enum {
    /* names and ids */
    CUSTOMER_ID_BYTES_MAX = 64,
    KEY_NAME_BYTES_MAX = 64,
    KEY_SECRET_BYTES_MAX = 200,
    KEY_SECRET_BYTES_MIN = 16,
    NAME_BYTES_MAX = 128,           /* provider, model, feature … */
    CONTEXT_BYTES_MAX = 128,        /* one x-cota-* request context header */
    GRANT_FEATURES_BYTES_MAX = 256, /* of features that a grant is for */
    REQUEST_ID_BYTES_MAX = 128,     /* a client's x-request-id */
    IDEMPOTENCY_KEY_BYTES_MAX = 255,

    /* HTTP in */
    URI_BYTES_MAX = 8 << 10,
    HEAD_BYTES_MAX = 32 << 10,
    HEADER_COUNT_MAX = 100,
    HEAD_DEADLINE_MS = 10000, /* first byte of a head to its end */
    BODY_BYTES_MAX = 32 << 20,
    ASSISTANT_BODY_BYTES_MAX = 256 << 10,
    BODY_IDLE_MS = 15000,
    KEEP_ALIVE_IDLE_MS = 75000,
    WRITE_STALL_MS = 60000,              /* a reader that takes nothing for so long is cut */
    CONNECTION_COUNT_MAX = 65536,        /* per worker */
    PIPELINE_BYTES_MAX = 64 << 10,       /* unread bytes kept while a request runs */
    CLIENT_QUEUE_HIGH_BYTES = 128 << 10, /* above: stop reading the provider */
    CLIENT_QUEUE_LOW_BYTES = 32 << 10,   /* below: read on */

    /* network */
    STREAM_QUEUE_BYTES_MAX = 64 << 20, /* what the kernel did not take, per stream */
    STREAM_IOVEC_MAX = 16,             /* parts of one writev */
    HOST_BYTES_MAX = 253,
    LOOP_CLOSE_MS = 5000,       /* loop_run waits so long for handles to close */
    ACCEPT_BATCH_MAX = 64,      /* new connections per wake-up: the others get their turn */
    ACCEPT_PAUSE_MS = 100,      /* rest after running out of descriptors */
    TCP_KEEPALIVE_S = 60,       /* a peer that vanished without a word is noticed */
    LINGER_MS = 1000,           /* a closing connection still reads, so that its reply arrives */
    LINGER_BYTES_MAX = 8 << 20, /* … and at most so much */
    TLS_SESSION_COUNT_MAX = 64, /* sessions kept for resumption, per client context */
    TLS_HANDSHAKE_MS = 10000,

    /* HTTP framing */
    BODY_RATE_BYTES_MIN = 1024,       /* per second, after a grace of BODY_IDLE_MS */
    CHUNK_LINE_BYTES_MAX = 1 << 10,   /* one chunk size with its extensions */
    CHUNK_EXTENSION_BYTES_MAX = 4096, /* all chunk extensions of one body */
    TRAILER_BYTES_MAX = 8 << 10,
    TRAILER_COUNT_MAX = 32,
    LEADING_LINE_COUNT_MAX = 2,  /* empty lines before a request line */
    ARENA_SPARE_COUNT_MAX = 256, /* kept for the next requests, per server */
    CONNECTION_SPARE_COUNT_MAX = 256,

    /* upstream */
    UPSTREAM_HEAD_BYTES_MAX = 32 << 10,
    UPSTREAM_HEADER_COUNT_MAX = 100,
    UPSTREAM_INTERIM_COUNT_MAX = 8, /* 1xx answers before the real one */
    UPSTREAM_ANSWER_BYTES_MAX = 64 << 20,
    UPSTREAM_ERROR_BYTES_MAX = 256 << 10, /* an error body that is passed on */
    UPSTREAM_STREAM_BYTES_MAX = 256 << 20,
    UPSTREAM_IDLE_CONNECTIONS_MAX = 1024, /* per provider and worker */
    UPSTREAM_IDLE_MS = 30000,
    UPSTREAM_SPARE_CONNECTIONS_MAX = 256,  /* connection objects kept for reuse, per worker */
    UPSTREAM_HELD_BYTES_MAX = 128 << 10,   /* read before a pause took hold */
    UPSTREAM_INFLATE_STEP_BYTES = 1 << 10, /* compressed bytes taken between two looks at a pause */
    UPSTREAM_TRUST_COUNT_MAX = 64,         /* CA files in use, per worker */
    UPSTREAM_TOTAL_MS = 600000,
    SSE_EVENT_BYTES_MAX = 1 << 20,
    DRAIN_CONCURRENT_MAX = 256, /* abandoned streams read on for their usage, per worker */

    /* JSON */
    JSON_DEPTH_MAX = 128,
    JSON_TOP_MEMBERS_MAX = 256, /* interpreted members live among these; more is refused */
    JWT_BYTES_MAX = 16 << 10,
    JWT_KEYS_MAX = 32, /* of one ring; a token without a key id may try them all */
    JWT_KEY_ID_BYTES_MAX = 256,
    JWT_KEY_TEXT_BYTES_MAX = 256 << 10, /* a PEM or a JWK Set */
    JWKS_FETCH_MS = 10000,              /* a JWK Set that takes longer is given up */
    JWT_CACHE_SLOTS = 1024,             /* verified tokens remembered, per worker */
    JWT_CACHE_TEXT_BYTES_MAX = 4 << 10, /* what one of them says; more is not remembered */

    /* memory of one request */
    REQUEST_ARENA_BYTES = 64 << 20,
    BODY_MEMORY_BYTES_MAX = 512 << 20, /* bodies of all requests of a worker */

    /* book */
    HOLD_LINES_MAX = 24,
    GRANTS_PER_HOLD_MAX = 8,
    LIMITS_PER_OWNER_MAX = 12,
    RULES_PER_CALL_MAX = 32, /* limits that one call is held against */
    HOLD_SECONDS_MAX = 86400,
    HOLD_MEMORY_S = 172800, /* an expired hold may be settled late for two days */
    ADMIT_WAITERS_MAX = 4096,
    GRANTS_ACTIVE_MAX = 1024,          /* grants of one customer that still have credit */
    KEYS_PER_CUSTOMER_MAX = 100000,    /* revoked ones too */
    HOLDS_EXPIRED_MAX = 65536,         /* kept for a late settle; the oldest are forgotten first */
    IDEMPOTENCY_ENTRIES_MAX = 1 << 20, /* remembered keys; the oldest answered ones go first */
    IDEMPOTENCY_MEMORY_BYTES_MAX = 64 << 20, /* answers in memory; older ones: the database */
    IDEMPOTENCY_BODY_BYTES_MAX = 1 << 20,    /* larger answers are not kept */

    /* documents of operators */
    OBJECT_ID_BYTES_MAX = 128,
    OBJECT_TEXT_BYTES_MAX = 256 << 10,
    OBJECT_PUT_BYTES_MAX = 1 << 20, /* one put as a record: texts before and after, who, hashes */
    OBJECT_PUT_CHANGES_MAX = 1000,
    OBJECTS_PER_KIND_MAX = 1 << 24,
    OBJECT_FILTERS_MAX = 8,        /* members that a list is filtered by */
    OBJECT_MEMBER_BYTES_MAX = 64,  /* name of such a member */
    OWN_KEY_BYTES_MAX = 1024,      /* a provider key of a customer's own */
    JOBS_WAITING_MAX = 16,         /* long work that waits for its turn */
    JOB_OPERATIONS_MAX = 10000,    /* of one bulk job */
    JOB_ERRORS_MAX = 100,          /* told by a job; the others are counted */
    JOB_BODY_BYTES_MAX = 16 << 20, /* one body with operations */
    JOB_BYTES_MAX = 64 << 20,      /* bodies of all jobs that wait or run */
    AUDIT_TEXT_BYTES_MAX = 1024,   /* actor, address, user agent, reason, request id: each */

    /* events */
    EVENTS_KEPT_MAX = 8192,
    EVENTS_BYTES_MAX = 4 << 20,
    EVENT_BYTES_MAX = 8 << 10, /* what one says */
    EVENT_LISTENERS_MAX = 1024,
    EVENT_LISTENERS_PER_CUSTOMER_MAX = 32,
    EVENT_SCOPES_MAX = 2048,      /* customers that are listened to, or were a minute ago */
    EVENT_BEAT_MS = 15000,        /* the longest silence */
    EVENT_STALL_MS = 15000,       /* a listener that takes nothing for so long is dropped */
    EVENT_STREAM_MS_MAX = 300000, /* then it comes again, with its credentials */

    /* journal */
    JOURNAL_RECORD_BYTES_MAX = 2 << 20,
    JOURNAL_SEGMENT_BYTES = 64 << 20,
    JOURNAL_SYNC_MS = 5,

    /* simulated provider */
    SIM_FAULTS_MAX = 8, /* asked by one request */
    SIM_HEADERS_MAX = 8,
    SIM_OUTPUT_TOKENS_MAX = 32768, /* of all choices together */
    SIM_CHOICES_MAX = 128,
    SIM_INPUTS_MAX = 2048,
    SIM_DIMENSIONS_MAX = 4096,
    SIM_VECTOR_NUMBERS_MAX = 1 << 20, /* inputs x dimensions */
    SIM_SCHEMA_DEPTH_MAX = 16,
    SIM_SCHEMA_ITEMS_MAX = 256,
    SIM_INSTANCE_BYTES_MAX = 64 << 10,
    SIM_INSTANCE_VALUES_MAX = 4096,
    SIM_BODY_BYTES_MAX = 64 << 20,
    SIM_ANSWER_BYTES_MAX = 64 << 20,
    SIM_ARENA_BYTES = 192 << 20,
    SIM_ENDLESS_BYTES_MAX = 512 << 20,
    SIM_CONNECTIONS_MAX = 32768,

    /* govern */
    OVERRIDES_PER_CALL_MAX = 64,
    GROUPS_PER_CALL_MAX = 16,
    CANDIDATES_MAX = 64,          /* AIs of one feature */
    GOVERN_LIST_ITEMS_MAX = 1024, /* of a list inside a document: models, limits, addresses … */
    GOVERN_ID_BYTES_MAX = 255,
    GOVERN_TERMS_BYTES_MAX = 256 << 10, /* one compiled document */
    GOVERN_PENDING_MAX = 65536,         /* documents of one change */
    ZONES_MAX = 1024,
    ZONE_FILE_BYTES_MAX = 64 << 10,

    /* config */
    CONFIG_BYTES_MAX = 8 << 20,
    CONFIG_DEPTH_MAX = 16,

    /* documents in files */
    DOCUMENT_FILE_BYTES_MAX = 32 << 20, /* one YAML file */
    FILE_COUNT_MAX = 10000,             /* of a directory */
    FILE_DEPTH_MAX = 120,
    FILE_DOCUMENTS_MAX = 1 << 20,
    FILE_PROBLEMS_MAX = 50, /* told; then "and more" */
    FILE_ARENA_BYTES = 1 << 30,
};

_Static_assert(OBJECT_PUT_BYTES_MAX <= JOURNAL_RECORD_BYTES_MAX, "a put is one record");
_Static_assert(REQUEST_ARENA_BYTES > BODY_BYTES_MAX, "a body fits the arena");
_Static_assert(SIM_ARENA_BYTES > SIM_BODY_BYTES_MAX + SIM_ANSWER_BYTES_MAX, "both fit");
