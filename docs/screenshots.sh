#!/bin/sh
# Makes the README's pictures anew: those that the tests of the dashboard take of the
# examples' runs, in a real browser.
set -eu
cd "$(dirname "$0")/.."
cargo test --locked --test browser every_page
cp target/screenshots/agents-graph-desktop-light.png docs/dashboard-graph.png
cp target/screenshots/step-desktop-light.png docs/dashboard-step.png
