# greet NAME: says hello. Sourced by whoever wants to greet.

greet() {
    printf 'Hello, %s!\n' "${1:-world}"
}
