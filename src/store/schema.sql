-- Version 1 of the store.
--
-- The base tables (`plan`, `step`, `run`, `event`, `request`, `doomed`) are kept small:
-- a step costs three or four rows of `event` and nothing else. What people and
-- programs are promised are the views `runs`, `step_attempts` and `run_events`:
-- their names and columns stay, whatever becomes of the tables.
--
-- Times in tables are milliseconds since 1970-01-01T00:00Z; times in views are
-- RFC 3339 in UTC with milliseconds.

-- Plans, each kept once however often it runs. What lists of runs ask for
-- stands in columns before the text, which may be large and is a blob: only
-- such are written in pieces.
CREATE TABLE plan (
    key        INTEGER PRIMARY KEY,
    content_id TEXT NOT NULL UNIQUE,
    plan_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    project_id TEXT,
    phase_id   TEXT NOT NULL,
    metadata   TEXT NOT NULL,
    json       TEXT NOT NULL
);
CREATE INDEX plan_by_id ON plan (plan_id);
CREATE INDEX plan_by_name ON plan (name);

-- What the steps of a plan are called, so that no view has to search the text.
CREATE TABLE step (
    plan INTEGER NOT NULL,
    ix   INTEGER NOT NULL,
    id   TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (plan, ix)
) WITHOUT ROWID;

-- AUTOINCREMENT, so that a key is never given out twice: what is left of a
-- deleted run cannot become part of a new one.
CREATE TABLE run (
    key           INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id        TEXT NOT NULL UNIQUE,
    plan          INTEGER NOT NULL REFERENCES plan (key),
    state         TEXT NOT NULL,
    -- Grows with each engine that takes the run over.
    epoch         INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    ended_at      INTEGER,
    exit_code     INTEGER,
    error_message TEXT,
    -- The words of the command that began the run, as a JSON array.
    command_line  TEXT NOT NULL
);
CREATE INDEX run_by_plan ON run (plan);
CREATE INDEX run_by_state ON run (state);

-- Everything that happened. `data` holds, as a JSON object, what an event says
-- beside the columns; NULL where it says nothing more.
CREATE TABLE event (
    run     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    type    TEXT NOT NULL,
    step    INTEGER,
    attempt INTEGER,
    data    TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

-- What other processes ask of a run's engine, until it has acted on it.
CREATE TABLE request (
    key   INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    what  TEXT NOT NULL,
    step  TEXT,
    value TEXT,
    by    TEXT NOT NULL
);
CREATE INDEX request_by_run ON request (run);

-- Runs that are being deleted: they are gone for everybody, their events follow.
CREATE TABLE doomed (
    run    INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL
);

CREATE VIEW runs AS
SELECT
    r.run_id,
    p.project_id,
    p.phase_id,
    p.plan_id,
    p.name,
    r.state,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.created_at / 1000.0, 'unixepoch') AS created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.started_at / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.ended_at / 1000.0, 'unixepoch') AS ended_at,
    r.exit_code,
    r.error_message,
    p.metadata,
    p.content_id,
    r.command_line
FROM run r
JOIN plan p ON p.key = r.plan;

CREATE VIEW run_events AS
SELECT
    r.run_id || '/' || e.seq AS event_id,
    r.run_id,
    e.seq,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch') AS timestamp,
    e.type AS event_type,
    s.id AS step_id,
    e.attempt,
    coalesce(e.data, '{}') AS data
FROM run r
JOIN event e ON e.run = r.key
LEFT JOIN step s ON s.plan = r.plan AND s.ix = e.step;

-- One row for each attempt, and one (attempt 0) for each step without any.
--
-- For each run, the inner SELECT folds the run's events and the plan's steps
-- into one JSON array of small arrays, and the outer one spreads it again. The
-- detour makes the fold depend on the run's row, so that asking for one run
-- reads the events of one run, whatever the planner thinks.
--
-- Nothing here is newer than SQLite 3.37, since a view that a program cannot
-- parse keeps it from reading the whole file.
CREATE VIEW step_attempts AS
SELECT
    r.run_id || '/' || json_extract(a.value, '$[1]')
        || CASE json_extract(a.value, '$[3]')
            WHEN 'main' THEN '' ELSE '/' || json_extract(a.value, '$[3]')
        END
        || '/' || json_extract(a.value, '$[4]') AS step_attempt_id,
    r.run_id,
    json_extract(a.value, '$[0]') + 1 AS sequence,
    json_extract(a.value, '$[1]') AS step_id,
    json_extract(a.value, '$[2]') AS name,
    json_extract(a.value, '$[4]') AS attempt,
    json_extract(a.value, '$[3]') AS role,
    json_extract(a.value, '$[5]') AS state,
    json_extract(a.value, '$[6]') AS "end",
    json_extract(a.value, '$[7]') AS reason,
    json_extract(a.value, '$[8]') AS exit_code,
    json_extract(a.value, '$[9]') AS signal,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(a.value, '$[10]') / 1000.0, 'unixepoch')
        AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(a.value, '$[11]') / 1000.0, 'unixepoch')
        AS ended_at,
    max(json_extract(a.value, '$[11]') - json_extract(a.value, '$[10]'), 0) AS duration_ms,
    json_extract(a.value, '$[12]') AS error,
    json_extract(a.value, '$[13]') AS tail
FROM run r
JOIN json_each((
    WITH
    fact AS (
        -- Attempt 0 of a step is the step itself: that it is in the plan, and
        -- how it was settled.
        SELECT s.ix AS step, 'main' AS role, 0 AS attempt, s.id, s.name,
            NULL AS type, NULL AS at, NULL AS data
        FROM step s
        WHERE s.plan = r.plan
        UNION ALL
        SELECT e.step, coalesce(json_extract(e.data, '$.role'), 'main'), coalesce(e.attempt, 0),
            NULL, NULL, e.type, e.at, e.data
        FROM event e
        WHERE e.run = r.key
            AND e.type IN ('step_claimed', 'step_started', 'step_finished', 'step_retry',
                'step_settled')
    ),
    told AS (
        SELECT step, role, attempt,
            max(id) AS id,
            max(name) AS name,
            max(CASE type WHEN 'step_claimed' THEN json_extract(data, '$.reason') END) AS claimed,
            max(CASE type WHEN 'step_started' THEN at END) AS started_at,
            max(CASE type WHEN 'step_finished' THEN data END) AS finish,
            max(CASE type WHEN 'step_retry' THEN json_extract(data, '$.reason') END) AS retried,
            max(CASE type WHEN 'step_settled' THEN data END) AS settled
        FROM fact
        GROUP BY step, role, attempt
    ),
    spread AS (
        SELECT step, role, attempt, claimed, started_at, finish, retried,
            max(id) OVER of_step AS id,
            max(name) OVER of_step AS name,
            max(settled) OVER of_step AS settled,
            max(CASE WHEN role = 'main' AND coalesce(started_at, finish) IS NOT NULL
                THEN attempt ELSE 0 END) OVER of_step AS last
        FROM told
        WINDOW of_step AS (PARTITION BY step)
    )
    SELECT json_group_array(json_array(
        step, id, name, role, attempt,
        CASE
            WHEN attempt = 0 THEN coalesce(json_extract(settled, '$.outcome'), 'pending')
            WHEN finish IS NULL AND settled IS NOT NULL AND role = 'main'
                THEN json_extract(settled, '$.outcome')
            WHEN finish IS NULL THEN iif(started_at IS NULL, 'pending', 'running')
            WHEN json_extract(finish, '$.verdict') <> 'failure' THEN 'succeeded'
            WHEN json_extract(finish, '$.end') = 'canceled' THEN 'canceled'
            ELSE 'failed'
        END,
        CASE json_extract(finish, '$.end')
            WHEN 'exited'
                THEN iif(json_extract(finish, '$.verdict') = 'failure', 'failed', 'succeeded')
            WHEN 'signaled' THEN 'failed'
            ELSE json_extract(finish, '$.end')
        END,
        coalesce(
            retried,
            CASE WHEN role = 'main' AND attempt = last THEN json_extract(settled, '$.reason') END,
            claimed
        ),
        json_extract(finish, '$.code'),
        json_extract(finish, '$.signal'),
        coalesce(json_extract(finish, '$.started_at'), started_at),
        json_extract(finish, '$.ended_at'),
        json_extract(finish, '$.error'),
        json_extract(finish, '$.tail')
    ))
    FROM spread
    -- What was only claimed has not been tried.
    WHERE coalesce(started_at, finish) IS NOT NULL OR (attempt = 0 AND last = 0)
)) a;
