//
// What a run was given, did and left behind, for whoever wants to repeat or to cite it: params.json, and an RO-Crate
// (https://w3id.org/ro/crate/1.1) after the profile Process Run Crate (https://w3id.org/ro/wfrun/process/0.5).
//

include { versions_yaml } from '../versions'

/** What the run was given, as JSON. */
def record_parameters(given, outdir) {
    def record = file("${outdir}/pipeline_info/params.json")
    record.parent.mkdirs()
    record.text = to_json(shown(given))
}

/** The software of the run, as software_versions.yml. */
def record_versions(versions, outdir) {
    file("${outdir}/pipeline_info/software_versions.yml").text = versions_yaml(versions)
}

/**
 * Describe the results, in ro-crate-metadata.json among them.
 *
 * @param given the run's parameters
 * @param inputs names and files that were read; absent ones are []
 * @param outdir folder of the results
 */
def write_crate(given, inputs, outdir) {
    def folder = file(outdir)
    def results = results_of(folder)
    def read = inputs.findAll { _name, path -> path }.collect { name, path -> input_of(name, path) }.unique { entity -> entity['@id'] }
    def parameters = shown(given)
        .findAll { name, value -> value != null && !inputs.containsKey(name) }
        .collect { name, value -> parameter_of(name, value) }
    def software = software_of(folder.resolve('pipeline_info/software_versions.yml'))
    def graph = [
        [
            '@id': 'ro-crate-metadata.json',
            '@type': 'CreativeWork',
            'conformsTo': reference('https://w3id.org/ro/crate/1.1'),
            'about': reference('./'),
        ],
        [
            '@id': './',
            '@type': 'Dataset',
            'name': "Results of ${workflow.manifest.name}".toString(),
            'description': workflow.manifest.description,
            'datePublished': workflow.complete.toString(),
            'license': 'The results belong to whoever made the run; the licences of the inputs and the models apply.',
            'conformsTo': reference('https://w3id.org/ro/wfrun/process/0.5'),
            'hasPart': references(read + results),
            'mentions': reference('#run'),
        ],
        [
            '@id': 'https://w3id.org/ro/wfrun/process/0.5',
            '@type': 'CreativeWork',
            'name': 'Process Run Crate',
            'version': '0.5',
        ],
        [
            '@id': workflow.manifest.homePage,
            '@type': 'SoftwareApplication',
            'name': workflow.manifest.name,
            'url': workflow.manifest.homePage,
            'softwareVersion': [workflow.manifest.version, workflow.commitId].findAll { part -> part }.join(' '),
            'softwareRequirements': references(software),
        ],
        [
            '@id': '#run',
            '@type': 'CreateAction',
            'name': workflow.runName,
            'description': workflow.commandLine,
            'startTime': workflow.start.toString(),
            'endTime': workflow.complete.toString(),
            'actionStatus': reference("http://schema.org/${workflow.success ? 'Completed' : 'Failed'}ActionStatus".toString()),
            'instrument': reference(workflow.manifest.homePage),
            'object': references(read + parameters),
            'result': references(results),
        ],
    ]
    def terms = [sha256: 'https://schema.org/sha256']
    folder.resolve('ro-crate-metadata.json').text = to_json(
        ['@context': ['https://w3id.org/ro/crate/1.1/context', terms], '@graph': graph + read + parameters + software + results]
    )
}

/** Every file below a folder, but what Nextflow writes when all is over. */
def results_of(folder) {
    def later = ['ro-crate-metadata.json', 'pipeline_info/trace.txt', 'pipeline_info/timeline.html', 'pipeline_info/report.html', 'pipeline_info/dag.html']
    files("${folder}/**", type: 'file')
        .collectEntries { path -> [folder.relativize(path).toString(), path] }
        .findAll { name, _path -> !(name in later) }
        .sort()
        .collect { name, path ->
            ['@id': encoded(name), '@type': 'File', 'name': name, 'contentSize': path.size().toString()] +
                (path.scheme == 'file' ? ['sha256': sha256(path)] : [:])
        }
}

def input_of(name, path) {
    ['@id': path.toUriString().startsWith('/') ? path.toUri().toString() : path.toUriString(), '@type': 'File', 'name': path.name, 'description': name]
}

def parameter_of(name, value) {
    ['@id': "#parameter-${encoded(name)}".toString(), '@type': 'PropertyValue', 'name': name, 'value': value.toString()]
}

/** The tools of software_versions.yml, each once, and Nextflow. */
def software_of(versions) {
    def lines = versions.exists() ? versions.readLines() : []
    def tools = lines
        .findAll { line -> line ==~ /\s+\S+: .*/ }
        .collect { line -> line.trim().split(': ', 2).collect { part -> part.replace('"', '') } }
    (tools + [['nextflow', nextflow.version.toString()]])
        .unique()
        .sort { left, right -> left.join(' ') <=> right.join(' ') }
        .collect { name, version ->
            ['@id': "#software-${encoded("${name}-${version}")}".toString(), '@type': 'SoftwareApplication', 'name': name, 'softwareVersion': version]
        }
}

def shown(given) {
    given.findAll { name, _value -> name != 'help' }.sort()
}

def reference(id) {
    ['@id': id]
}

def references(entities) {
    entities.collect { entity -> reference(entity['@id']) }
}

/** A path as part of a URI. */
def encoded(text) {
    new URI(null, null, text.toString(), null).rawPath.replace(':', '%3A')
}

def sha256(path) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    path.eachByte(1 << 20) { bytes, count -> digest.update(bytes, 0, count) }
    digest.digest().encodeHex().toString()
}

def to_json(value) {
    groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(value)) + '\n'
}
