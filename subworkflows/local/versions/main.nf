//
// The record of the software of a run. In a file of its own: the strict parser takes a file with includes only once.
//

/** Versions of the software, as YAML by process, sorted. */
def versions_yaml(versions) {
    versions
        .groupBy { process, _tool, _version -> process.tokenize(':').last() }
        .sort()
        .collect { process, rows ->
            "${process}:\n" + rows.collect { _process, tool, version -> "  ${tool}: \"${version}\"\n" }.sort().join('')
        }
        .join('')
}
