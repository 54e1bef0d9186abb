#!/bin/sh
# Starts the Nextflow that `make setup` resolved with Maven. Installed as .nextflow-dist/nextflow.
# The options are those of Nextflow's own launcher. Nothing is downloaded unless NXF_OFFLINE is set to nothing.
set -eu
dist=$(cd "$(dirname "$0")" && pwd)

if [ -n "${JAVA_CMD:-}" ]; then java=$JAVA_CMD
elif [ -n "${JAVA_HOME:-}" ]; then java=$JAVA_HOME/bin/java
else java=java
fi

export NXF_OFFLINE="${NXF_OFFLINE-true}"
[ -t 1 ] || export NXF_ANSI_LOG="${NXF_ANSI_LOG:-false}"
NXF_CLI="nextflow $*"
export NXF_CLI

# The linter of 25.04.4 needs a library that is not published; that of 25.04.0 runs beside the same ones.
classpath="$dist/lib/*"
for word in "$@"; do
    case $word in
        lint) classpath="$dist/lint/*:$classpath"; break ;;
        -*) ;;
        *) break ;;
    esac
done

opens=""
for package in java.lang java.io java.nio java.net java.util java.util.concurrent.locks java.util.concurrent.atomic \
    java.util.regex sun.nio.ch sun.nio.fs sun.net.www.protocol.http sun.net.www.protocol.https \
    sun.net.www.protocol.ftp sun.net.www.protocol.file jdk.internal.misc jdk.internal.vm; do
    opens="$opens --add-opens=java.base/$package=ALL-UNNAMED"
done

# shellcheck disable=SC2086 # $opens and $NXF_OPTS are lists of options
exec "$java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8 $opens ${NXF_OPTS:-} \
    -cp "$classpath" nextflow.cli.Launcher "$@"
