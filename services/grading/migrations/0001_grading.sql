-- Every version of a package that a problem or a submission names.
CREATE TABLE packages (
    sha256          TEXT PRIMARY KEY,
    bytes           BLOB NOT NULL,
    overall_wall_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE problems (
    name           TEXT PRIMARY KEY,
    package_sha256 TEXT NOT NULL REFERENCES packages (sha256),
    -- problems::Problem as JSON.
    info           TEXT NOT NULL
) STRICT;

CREATE TABLE submissions (
    id              TEXT PRIMARY KEY,
    -- The call that handed it in, and the hash of what it said: a repeated call answers the same submission.
    call_id         TEXT NOT NULL UNIQUE,
    request_sha256  TEXT NOT NULL,
    problem         TEXT NOT NULL,
    package_sha256  TEXT NOT NULL REFERENCES packages (sha256),
    language        TEXT NOT NULL,
    source          TEXT NOT NULL,
    contest         TEXT,
    contestant      TEXT,
    submitted_at_ms INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'judging', 'judged')),

    -- While queued: 0 for a contest, 1 for practice; then the turn; not before an instant, after a setback.
    class           INTEGER NOT NULL,
    turn_ms         INTEGER NOT NULL,
    not_before_ms   INTEGER NOT NULL DEFAULT 0,

    -- While judging: whose attempt it is, and until when without a renewal.
    attempt         TEXT,
    leased_by       TEXT,
    lease_until_ms  INTEGER,

    -- Once judged: grading::Judgement as JSON, and its place in the order of verdicts.
    judgement       TEXT,
    judged_seq      INTEGER UNIQUE,

    CHECK ((state = 'judging') = (attempt IS NOT NULL)),
    CHECK ((state = 'judged') = (judgement IS NOT NULL AND judged_seq IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX submissions_attempt ON submissions (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX submissions_in_line ON submissions (class, turn_ms, id) WHERE state = 'queued';
CREATE INDEX submissions_open_of ON submissions (contest, contestant) WHERE state <> 'judged';
CREATE INDEX submissions_leased ON submissions (lease_until_ms) WHERE state = 'judging';
CREATE INDEX submissions_of_package ON submissions (package_sha256);

CREATE TABLE attempts (
    id            TEXT PRIMARY KEY,
    submission    TEXT NOT NULL REFERENCES submissions (id),
    number        INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    -- Absent while it goes on.
    outcome       TEXT CHECK (outcome IN ('judged', 'lost', 'overdue', 'lease_expired', 'released')),
    reason        TEXT,
    UNIQUE (submission, number)
) STRICT;

-- Events that are committed and not yet confirmed by the broker, in the order of publishing.
CREATE TABLE outbox (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    key  TEXT NOT NULL,
    -- The event's body as JSON.
    body TEXT NOT NULL
) STRICT;

-- One row: the instance that publishes, so that events keep their order.
CREATE TABLE outbox_lease (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    leased_by      TEXT NOT NULL,
    lease_until_ms INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_lease (one, leased_by, lease_until_ms) VALUES (1, '', 0);
