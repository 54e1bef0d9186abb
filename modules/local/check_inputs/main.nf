// Check everything a run was given, and say all that is wrong at once, before any model loads.
process CHECK_INPUTS {
    tag "${loci.name}"
    label 'process_single'

    conda "${moduleDir}/../../../containers/conda/models.yml"
    container 'docker.io/darkregulome/darkregulome:0.1.0'

    input:
    tuple path(fasta, stageAs: 'reference/*'), path(index, stageAs: 'reference/*')
    path gtf, stageAs: 'gtf/*'
    path loci, stageAs: 'loci/*'
    path regulatory, stageAs: 'regulatory/*'
    path repeats, stageAs: 'repeats/*'
    path conserved, stageAs: 'conserved/*'
    path class_map, stageAs: 'class_map/*'
    path conservation, stageAs: 'conservation/*'
    path eqtl, stageAs: 'eqtl/*'
    path registry, stageAs: 'registry/*'
    val models
    path weights, stageAs: 'weights/??/*'
    val device

    output:
    path 'checked.json', emit: checked
    tuple val("${task.process}"), val('darkregulome'), eval("check_inputs.py --version | sed 's/.* //'"), topic: versions

    script:
    def args = task.ext.args ?: ''
    def staged = models.findAll { model -> model.staged }
    def optional = [
        regulatory ? "--regulatory ${regulatory}" : '',
        repeats ? "--repeats ${repeats}" : '',
        conserved ? "--conserved ${conserved}" : '',
        class_map ? "--class-map ${class_map}" : '',
        conservation ? "--conservation ${conservation}" : '',
        eqtl ? "--eqtl ${eqtl}" : '',
    ] + [staged, [weights].flatten()].transpose().collect { model, folder -> "--weights ${model.name}=${folder}" }
    """
    check_inputs.py \\
        --fasta ${fasta} \\
        --gtf ${gtf} \\
        --loci ${loci} \\
        --models '${models.collect { model -> model.name }.join(',')}' \\
        --registry ${registry} \\
        --device ${device} \\
        ${optional.findAll { option -> option }.join(' ')} \\
        --allow-failed-loci \\
        --out checked.json \\
        ${args}
    """

    stub:
    """
    echo '{}' > checked.json
    """
}
