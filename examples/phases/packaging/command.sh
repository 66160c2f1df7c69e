# The program itself: written beside its place, then put there in one move.
. ../lib.sh

# In a resumed run cleanup has been here already.
mkdir -p "$SCRATCH"
cat > "$SCRATCH/greet" <<'END'
#!/bin/sh
# greet [WHEN]: says what share/greeter has for that time of the day.
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/etc/greeter.conf"
cat "$here/share/greeter/${1:-$WHEN}"
END
chmod +x "$SCRATCH/greet"
mv "$SCRATCH/greet" "$PREFIX/bin/greet"
