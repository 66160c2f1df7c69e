-- What monitoring counts of runs that have ended, summed up for each plan: it
-- outlives the runs, and costs the same to read however many there were. A run's
-- figures are added in the transaction that records its end.
--
-- `counted` is a JSON object (`Figures` in `run/figures.rs`). No view shows this
-- table, and nothing but `quintet metrics` is promised of it.
CREATE TABLE figures (
    plan_id TEXT PRIMARY KEY,
    counted TEXT NOT NULL
) WITHOUT ROWID;
