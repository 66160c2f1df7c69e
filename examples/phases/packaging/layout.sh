# The folders.
. ../lib.sh

for folder in bin etc share/greeter var/log; do
    mkdir -p "$PREFIX/$folder"
done
