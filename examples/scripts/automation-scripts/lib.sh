# What all scripts share: where the environment is made, and how files are
# written so that a second run changes nothing.

root=${QUINTET_VAR_Root:-$PWD/target/dev-environment}
project=$root/project

# put FILE: standard input becomes the file, unless it is that already.
put() {
    mkdir -p "$(dirname "$1")"
    cat >"$1.new"
    if [ -f "$1" ] && cmp -s "$1.new" "$1"; then
        rm "$1.new"
        echo "unchanged: $1"
    else
        mv "$1.new" "$1"
        echo "written: $1"
    fi
}
