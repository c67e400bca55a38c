// Prints what AWS's specification of CloudFormation says about the resource
// types that are named, as JSON: their properties, and the types that those
// refer to.
import spec from '@aws-cdk/aws-service-spec'

const db = await spec.loadAwsServiceSpec()
const out = { resources: {}, types: {} }
for (const name of process.argv.slice(1)) {
  const found = db.lookup('resource', 'cloudFormationType', 'equals', name)
  if (found.length === 0) continue
  const r = found[0]
  out.resources[name] = { properties: bare(r.properties), attributes: Object.keys(r.attributes) }
  for (const { entity } of db.follow('usesType', r)) out.types[entity.$id] = bare(entity.properties)
}
console.log(JSON.stringify(out))

function bare(properties) {
  return Object.fromEntries(Object.entries(properties).map(([name, p]) => [name, { type: p.type, required: p.required ?? false }]))
}
