-- What is remembered of steps' freshness. All of it may be deleted at any time:
-- steps then run once more.

-- Whose steps: a project (an absolute directory), and a plan of it by its id.
CREATE TABLE cache_scope (
    key     INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    plan    TEXT NOT NULL,
    UNIQUE (project, plan)
);

-- What is known of each step. All of a plan lie together, to be read in one scan.
CREATE TABLE cache_step (
    scope   INTEGER NOT NULL,
    step    TEXT NOT NULL,
    state   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    -- A file, a pattern or an exit, as the state has it.
    detail  TEXT,
    -- What it depended on and what came of it; NULL where only the time is known.
    body    BLOB,
    -- Lists that are too long for the body.
    inputs  BLOB,
    outputs BLOB,
    PRIMARY KEY (scope, step)
) WITHOUT ROWID;

-- The last successes of steps whose outputs are kept, by what they depended on.
CREATE TABLE cache_past (
    scope   INTEGER NOT NULL,
    step    TEXT NOT NULL,
    print   BLOB NOT NULL,
    at      INTEGER NOT NULL,
    body    BLOB NOT NULL,
    inputs  BLOB,
    outputs BLOB,
    PRIMARY KEY (scope, step, print)
) WITHOUT ROWID;

-- Lists of files, each kept once however many steps have it.
CREATE TABLE cache_list (
    key    INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    files  BLOB NOT NULL
);
