// A gzipped FASTA, bgzipped and indexed: genomes are published gzipped, and cannot be read at random so.
process COMPRESS_FASTA {
    tag "${fasta.name}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path fasta

    output:
    tuple path("bgzip/${fasta}"), path("bgzip/${fasta}.{fai,gzi}"), emit: reference
    tuple val("${task.process}"), val('darkregulome'), eval("compress_fasta.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    compress_fasta.py --fasta ${fasta} --out 'bgzip/${fasta}' --no-progress ${args}
    """

    stub:
    """
    mkdir bgzip
    touch 'bgzip/${fasta}' 'bgzip/${fasta}.fai' 'bgzip/${fasta}.gzi'
    """
}
