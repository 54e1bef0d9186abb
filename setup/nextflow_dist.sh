#!/bin/sh
# Makes .nextflow-dist/nextflow, in the root of the checkout: the Nextflow on PATH, or one resolved with Maven. Idempotent.
set -eu

say() { echo "error: $*" >&2; exit 2; }

# `java -version` says 'openjdk version "17.0.15"'. On macOS /usr/bin/java exists without a Java behind it.
version=$("${JAVA_CMD:-java}" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
[ "${version:-0}" -ge 17 ] || say "Java 17 or newer was not found; install it and run 'make setup' again."

mkdir -p .nextflow-dist
# The launcher made here may itself be on PATH: it is not a Nextflow to hand on to.
rm -f .nextflow-dist/nextflow
if found=$(command -v nextflow); then
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$found" > .nextflow-dist/nextflow
elif command -v mvn >/dev/null 2>&1; then
    mvn --batch-mode --quiet --strict-checksums -f setup/nextflow.pom.xml validate ||
        say "Maven could not resolve Nextflow; check the connection to Maven Central, or install Nextflow 25.04 or newer."
    cp setup/nextflow.sh .nextflow-dist/nextflow
else
    say "neither nextflow nor mvn was found; install Nextflow (25.04 or newer) or Maven and run 'make setup' again."
fi
chmod +x .nextflow-dist/nextflow
