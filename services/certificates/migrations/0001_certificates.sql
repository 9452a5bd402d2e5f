-- What was issued, as it was printed, for ever. Rows are added and read, never changed.
CREATE TABLE certificates (
    id            INTEGER PRIMARY KEY,
    code          TEXT    NOT NULL UNIQUE,
    contest       TEXT    NOT NULL,
    person        TEXT    NOT NULL,
    kind          TEXT    NOT NULL CHECK (kind IN ('place', 'participation')),
    contest_title TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    place         INTEGER CHECK (place BETWEEN 1 AND 4294967295),
    date          TEXT    NOT NULL,
    issued_at_ms  INTEGER NOT NULL,
    pdf_sha256    TEXT    NOT NULL,
    -- Last, so that reading the others does not walk over its pages.
    pdf           BLOB    NOT NULL,
    UNIQUE (contest, person, kind),
    CHECK ((kind = 'place') = (place IS NOT NULL))
) STRICT;
