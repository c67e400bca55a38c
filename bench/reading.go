package bench

// A reading is what a chart tells under the pointer. It goes to the page's script
// as JSON; places are fractions of the plot, so that it serves the wide and the
// narrow picture.
type reading struct {
	X       []float64       `json:"x"`
	Heads   []string        `json:"heads"`
	Classes []string        `json:"classes,omitempty"` // of each place, if they differ
	Series  []readingSeries `json:"series"`
}

// A readingSeries is one line of what is told. It may end before X does.
type readingSeries struct {
	Name  string    `json:"name"`
	Class string    `json:"class,omitempty"`
	Panel int       `json:"panel"`
	Y     []float64 `json:"y"`
	Texts []string  `json:"texts"`
}

const (
	wide   = "wide"
	narrow = "narrow"
)
