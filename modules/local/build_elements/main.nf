// Cut the dark genome of the loci into elements, with class, distance and sequence features.
process BUILD_ELEMENTS {
    tag "${loci.name}"
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    path loci
    tuple path(fasta), path(index)
    path gtf
    path regulatory, stageAs: 'regulatory/*'
    path repeats, stageAs: 'repeats/*'
    path conserved, stageAs: 'conserved/*'
    path class_map

    output:
    path 'elements/elements.parquet', emit: elements
    path 'elements/elements.bed.gz*', emit: bed
    path 'elements/failed_elements.tsv', emit: failed
    tuple val("${task.process}"), val('darkregulome'), eval("build_elements.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def optional = [
        regulatory ? "--regulatory ${regulatory}" : '',
        repeats ? "--repeats ${repeats}" : '',
        conserved ? "--conserved ${conserved}" : '',
        class_map ? "--class-map ${class_map}" : '',
    ]
    """
    build_elements.py \\
        --loci ${loci} \\
        --fasta ${fasta} \\
        --gtf ${gtf} \\
        ${optional.findAll { option -> option }.join(' ')} \\
        --outdir elements \\
        --failed elements/failed_elements.tsv \\
        ${args}
    """

    stub:
    """
    mkdir elements
    touch elements/elements.parquet elements/elements.bed.gz.tbi
    printf 'locus\\tgene\\tstage\\treason\\n' > elements/failed_elements.tsv
    echo | gzip -n > elements/elements.bed.gz
    """
}
