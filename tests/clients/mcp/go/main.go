// A client of an MCP server, on the MCP SDK for Go. It prints a result when it is connected, and one for each line of its
// input, which is the name of a tool. If the user must sign in, it first prints the URL of the authorization request, and
// the next line of its input is the query of the callback.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"
)

// The first argument of the program.
type options struct {
	Server      string
	RedirectURL string
	// The URL of a client metadata document. Without it the client registers itself.
	Document string
	// Whether every access token counts as expired.
	Expired bool
}

var input = bufio.NewScanner(os.Stdin)

func main() {
	var given options
	check(json.Unmarshal([]byte(os.Args[1]), &given))
	handler, err := auth.NewAuthorizationCodeHandler(configure(given))
	check(err)
	ctx := context.Background()
	client := mcp.NewClient(&mcp.Implementation{Name: "tests", Version: "1.0.0"}, nil)
	transport := &mcp.StreamableClientTransport{Endpoint: given.Server, OAuthHandler: handler}
	session, err := client.Connect(ctx, transport, nil)
	check(err)
	defer session.Close()
	print("result", "{}")
	for input.Scan() {
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: input.Text()})
		if err != nil {
			print("error", err.Error())
			continue
		}
		print("result", result.Content[0].(*mcp.TextContent).Text)
	}
}

// As in the SDK's example, with a document besides.
func configure(given options) *auth.AuthorizationCodeHandlerConfig {
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL:              given.RedirectURL,
		AuthorizationCodeFetcher: signIn,
		RequestRefreshToken:      true,
	}
	if given.Document != "" {
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: given.Document}
	} else {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:   "Dynamically registered MCP client",
				RedirectURIs: []string{given.RedirectURL},
				GrantTypes:   []string{"authorization_code", "refresh_token"},
			},
		}
	}
	if given.Expired {
		config.NewTokenSource = func(ctx context.Context, config *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
			refreshed := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken})
			return oauth2.ReuseTokenSourceWithExpiry(token, refreshed, time.Hour), nil
		}
	}
	return config
}

func signIn(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	print("url", args.URL)
	if !input.Scan() {
		return nil, fmt.Errorf("there is no callback")
	}
	query, err := url.ParseQuery(input.Text())
	if err != nil {
		return nil, err
	}
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
}

func print(name, value string) {
	check(json.NewEncoder(os.Stdout).Encode(map[string]string{name: value}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
