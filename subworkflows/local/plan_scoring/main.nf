//
// What scoring will run, in what order and at what cost, before it runs; and whether that is within the limits.
//

include { ESTIMATE_COST } from '../../../modules/local/estimate_cost'

workflow PLAN_SCORING {
    take:
    run // map: models, checkpoints ([name, folder], as they are ready), registry, device, loci_per_task, the limits, plan_only
    elements // value: elements.parquet
    loci // value: loci.tsv

    main:
    ESTIMATE_COST(
        elements,
        loci,
        run.checkpoints.toList().map { ready -> in_order(run.models.collect { model -> model.name }, ready) },
        run.registry,
        run.device == 'auto' && 'gpu' in workflow.profile.tokenize(',') ? 'cuda' : run.device,
        run.loci_per_task,
    )

    // Without a limit, scoring does not wait for the estimate.
    def limits = [hours: run.max_device_hours, money: run.max_cost]
    allowed = channel.value(true)
    if (run.plan_only) {
        ESTIMATE_COST.out.table
            .combine(ESTIMATE_COST.out.cost)
            .subscribe { table, cost -> log.info(summary(table.text, excess(cost.text, limits))) }
    }
    else if (limits.any { _name, limit -> limit != null }) {
        allowed = ESTIMATE_COST.out.cost.map { cost ->
            def above = excess(cost.text, limits)
            above ? error("${above} Nothing was scored. ${remedy()}") : true
        }
    }

    emit:
    allowed // value: true, as soon as scoring may begin; empty where the estimate is above a limit
}

/** The models with their folders, in the order in which they were named: whichever was ready first changes nothing. */
def in_order(models, ready) {
    def folders = ready.collectEntries { name, folder -> [name, folder] }
    def named = models.collect { name -> [name: name, staged: folders[name] != []] }
    [named, models.collect { name -> folders[name] }.findAll { folder -> folder != [] }]
}

/**
 * How far the estimate is above the limits, as one sentence, or ''.
 *
 * @param record text of cost.json; with the device `auto` it holds two totals, and the first counts: the CPU's
 * @param limits map: hours, money
 */
def excess(record, limits) {
    def total = new groovy.json.JsonSlurper().parseText(record).total?.first()
    def device = [cpu: '2 CPU cores', cuda: 'one GPU'][total?.device]
    if (total && limits.hours != null && total.hours > limits.hours) {
        return "Scoring is estimated to take ${rounded(total.hours)} hours of ${device}, which is above --max_device_hours ${plain(limits.hours)}."
    }
    if (total && limits.money != null && total.money > limits.money) {
        return "Scoring is estimated to cost ${rounded(total.money)} (${rounded(total.hours)} hours of ${device}), which is above --max_cost ${plain(limits.money)}."
    }
    ''
}

/** Three digits of a number. */
def rounded(number) {
    plain(number.toBigDecimal().round(new java.math.MathContext(3)))
}

def plain(number) {
    number.stripTrailingZeros().toPlainString()
}

def remedy() {
    'Raise the limit, or ask for less (--models, --sites, --loci), and run again with -resume; the plan is in pipeline_info/cost.txt and plan.tsv.'
}

def summary(table, above) {
    "\n${table}\nNothing was scored: this is the plan (--plan_only), task by task in pipeline_info/plan.tsv.\n" +
        (above ? "${above} ${remedy()}" : 'To score, run the same command again with -resume and without --plan_only.')
}
