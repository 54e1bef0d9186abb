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
    tuple val("${task.process}"), val('pysam'), eval("python3 -c 'import pysam; print(pysam.__version__)'"), topic: versions

    script:
    """
    python3 -c 'import sys, pysam; pysam.faidx(sys.argv[1])' ${fasta}
    """

    stub:
    """
    touch ${fasta}.fai ${fasta}.gzi
    """
}
