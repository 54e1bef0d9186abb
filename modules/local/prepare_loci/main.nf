// Place the loci on the genome; those that cannot be placed are set aside with their reason.
process PREPARE_LOCI {
    tag "${loci.name}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path loci
    path gtf
    tuple path(fasta), path(index)

    output:
    path 'loci.tsv', emit: loci
    path 'failed_loci.tsv', emit: failed
    tuple val("${task.process}"), val('darkregulome'), eval("prepare_loci.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    prepare_loci.py \\
        --loci ${loci} \\
        --gtf ${gtf} \\
        --fasta ${fasta} \\
        --out loci.tsv \\
        --failed failed_loci.tsv \\
        ${args}
    """

    stub:
    """
    printf 'locus\\tgene\\tchrom\\ttss\\tstrand\\tstart\\tend\\n' > loci.tsv
    printf 'locus\\tgene\\tstage\\treason\\n' > failed_loci.tsv
    printf 'stub\\tSTUB\\tchr1\\t1000\\t+\\t0\\t2000\\n' >> loci.tsv
    """
}
