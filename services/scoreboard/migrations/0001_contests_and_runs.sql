-- A contest as `contests.put` took it.
CREATE TABLE contests (
    contest TEXT PRIMARY KEY,
    -- JSON of proto's `Contest`.
    body TEXT NOT NULL
) STRICT;

-- What grading told of a submission. Its contest may be stored later, or never.
CREATE TABLE runs (
    submission TEXT PRIMARY KEY,
    contest TEXT NOT NULL,
    contestant TEXT NOT NULL,
    problem TEXT NOT NULL,
    submitted_at_ms INTEGER NOT NULL,
    -- Absent: not judged yet.
    verdict TEXT,
    -- Exact decimal.
    score TEXT,
    -- JSON: group -> exact decimal.
    groups TEXT NOT NULL,
    runtime_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX runs_by_contest ON runs (contest);
