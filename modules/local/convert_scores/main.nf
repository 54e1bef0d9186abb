// Turn scores of other tools into elements and RIS; what their tables lack is worked out.
process CONVERT_SCORES {
    label 'process_low'

    conda "${moduleDir}/../../../containers/conda/tables.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    tuple val(names), path(scores, stageAs: 'scores/??/*')
    path elements, stageAs: 'elements/*'
    path intervals, stageAs: 'intervals/*'
    path variants, stageAs: 'variants/*'
    tuple path(fasta, stageAs: 'reference/*'), path(index, stageAs: 'reference/*')
    path gtf, stageAs: 'gtf/*'
    path loci, stageAs: 'loci/*'
    path repeats, stageAs: 'repeats/*'
    path class_map, stageAs: 'class_map/*'

    output:
    path 'converted/elements.parquet', emit: elements
    path 'converted/ris.parquet', emit: ris
    path 'converted/loci.tsv', emit: loci
    tuple val("${task.process}"), val('darkregulome'), eval("convert_scores.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def sources = [names, [scores].flatten()].transpose().collect { name, file -> "--scores '${name}=${file}'" }
    def optional = [
        elements ? "--elements ${elements}" : '',
        intervals ? "--intervals ${intervals}" : '',
        variants ? "--variants ${variants}" : '',
        fasta ? "--fasta ${fasta}" : '',
        gtf ? "--gtf ${gtf}" : '',
        loci ? "--loci ${loci}" : '',
        repeats ? "--repeats ${repeats}" : '',
        class_map ? "--class-map ${class_map}" : '',
    ]
    """
    convert_scores.py \\
        ${sources.join(' ')} \\
        ${optional.findAll { option -> option }.join(' ')} \\
        --outdir converted \\
        ${args}
    """

    stub:
    """
    mkdir converted
    touch converted/elements.parquet converted/ris.parquet
    printf 'locus\\tgene\\tchrom\\ttss\\tstrand\\tstart\\tend\\n' > converted/loci.tsv
    """
}
