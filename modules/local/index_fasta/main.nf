// Index a FASTA: .fai, and .gzi where it is compressed.
process INDEX_FASTA {
    tag "${fasta.name}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path fasta

    output:
    path "${fasta}.{fai,gzi}", emit: index
    tuple val("${task.process}"), val('darkregulome'), eval("compress_fasta.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    compress_fasta.py --fasta ${fasta} --no-progress ${args}
    """

    stub:
    """
    touch ${fasta}.fai ${fasta}.gzi
    """
}
